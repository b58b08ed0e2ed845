/**
 * Text of hardware or a network as a terminal may show it: control characters (ANSI sequences begin with one) and the
 * characters that reorder what is shown are written as escapes, so that they are seen and do nothing.
 */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}
