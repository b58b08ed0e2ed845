import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openapiDocument } from './openapi.ts';

test('the committed OpenAPI document is the one the table gives: npm run openapi writes it', () => {
  const committed = readFileSync(new URL('../shared/openapi.json', import.meta.url), 'utf8');
  expect(committed).toBe(`${JSON.stringify(openapiDocument(), null, 2)}\n`);
});
