import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/demo/haproxy.ts';

export const EXAMPLE = readFileSync(join(PACKAGE_ROOT, 'haproxy/haproxy.cfg'), 'utf8');
