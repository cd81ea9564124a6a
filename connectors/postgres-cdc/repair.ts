/** How people repair a position that is of no use any more: the errors of this folder say it in the same words. */

/** Forgets the position, so that the source begins at its start. The pipeline is not known here. */
export const RESET = "rivven-connect run --reset-position PIPELINE --yes";

/** The two ways to rows in place of changes that are gone. */
export const NEW_SNAPSHOT = `Take a new snapshot: run ${RESET}, or set snapshot.mode to when_needed`;
