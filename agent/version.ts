/** The agent's version; the release commit sets both. */
export const version = '0.1.0';

/** No clock can rightly be before this time (milliseconds since 1970): the floor for a machine that starts in 1970. */
export const releasedAt = Date.UTC(2026, 10, 21);
