import { fileURLToPath } from 'node:url';

/** Where the SPOE engine is that comes with this package: the folder `spoe` lies beside `src` and `dist`. */
export const SHIPPED_ENGINE = fileURLToPath(new URL('../../spoe/otel.conf', import.meta.url));
