// Which Lectern this is. The one place is package.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const Package = z.object({ version: z.string() });

/** By Semantic Versioning 2.0.0, e.g. `0.2.0`. */
export const VERSION: string = Package.parse(
  JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')),
).version;
