import type { Command, CommandState } from '../../../api/types';

/** What became of a command, in the words of people: one that was refused before any agent saw it is told apart. */
export type OutcomeWord = CommandState | 'cancelled' | 'withheld';

type Told = Pick<Command, 'state' | 'handed_out' | 'reason'>;

export function outcomeWord({ state, handed_out, reason }: Told): OutcomeWord {
  if (state !== 'rejected' || handed_out) return state;
  return /^cancelled(:|$)/.test(reason) ? 'cancelled' : 'withheld';
}
