import { randomUUID } from 'node:crypto';

/**
 * The header of a carried request that names the site of its relay. Only this process knows what it is called, so that nobody
 * outside can send it.
 */
export const CARRIED_FOR = `machinedb-carried-for-${randomUUID()}`;
