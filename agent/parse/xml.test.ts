import { expect, test } from 'vitest';
import { childOf, parseXml } from './xml.ts';

test('elements, attributes, texts, entities, comments and CDATA', () => {
  const document = `<?xml version="1.0"?>
<!DOCTYPE log SYSTEM "log.dtd">
<log a="1 &lt; 2" b='"'><!-- <no> --><one> x &amp; y &#65;&#x42; &unknown; </one><two/><one><![CDATA[<z>]]></one></log>
`;
  const one = (text: string) => ({ name: 'one', attributes: {}, children: [], text });
  expect(parseXml(document)).toEqual({
    name: 'log',
    attributes: { a: '1 < 2', b: '"' },
    children: [one('x & y AB &unknown;'), { name: 'two', attributes: {}, children: [], text: '' }, one('<z>')],
    text: '',
  });
  expect(childOf(parseXml(document), 'one')?.text).toBe('x & y AB &unknown;');
  expect(childOf(parseXml(document), 'three', 'four')).toBeUndefined();
});

test.for([
  ['', 'this is not one XML element'],
  ['text', 'this is not one XML element'],
  ['<a/><b/>', 'this is not one XML element'],
  ['<a><b></a>', 'the XML closes a at character 6, which is not open'],
  ['</a>', 'the XML closes a at character 0, which is not open'],
  ['<a><b>', 'the XML ends within b'],
  ['<a', 'the XML is broken at character 0'],
  ['<!DOCTYPE a [<!ENTITY x "xxxx">]><a>&x;</a>', 'the XML is broken at character 0'],
  ['<a>'.repeat(40), 'the XML is deeper than 32 elements'],
  [`<a>${'<b/>'.repeat(60_000)}</a>`, 'the XML has more than 50000 elements'],
] as const)('refused: %.40s', ([document, why]) => {
  expect(() => parseXml(document)).toThrow(new Error(why));
});

test('ten million unclosed brackets cost no time', () => {
  const began = performance.now();
  expect(() => parseXml('<a '.repeat(3_000_000))).toThrow();
  expect(() => parseXml(`<!--${'-'.repeat(10_000_000)}`)).toThrow();
  expect(performance.now() - began).toBeLessThan(5000);
});
