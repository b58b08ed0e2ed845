import { observe as hostname } from './hostname.ts';
import { observe as os } from './os.ts';

/** Every section the agent observes, in the order of a report. To add one: a file beside this one, and a line here. */
export const observers = {
  os,
  hostname,
};
