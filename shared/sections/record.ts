import { z } from 'zod';

/** An object by key, whose wrong keys are refused in the words of `key` instead of 'Invalid key in record'. */
export function recordOf<Key extends z.ZodString, Value extends z.ZodType>(key: Key, value: Value) {
  return z.record(key, value, {
    error: (issue) => (issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined),
  });
}
