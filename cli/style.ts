/** Colours of a terminal, by what they are used for in output.ts and the commands. */
import { styleText } from "node:util";

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

/** For terminals. Each colour is closed again, so coloured texts can be put together. */
export const COLOURS: Style = {
  bold: (text) => paint("bold", text),
  dim: (text) => paint("dim", text),
  red: (text) => paint("red", text),
  green: (text) => paint("green", text),
  yellow: (text) => paint("yellow", text),
  cyan: (text) => paint("cyan", text),
};

/** For pipes, files and NO_COLOR. */
export const PLAIN: Style = {
  bold: (text) => text,
  dim: (text) => text,
  red: (text) => text,
  green: (text) => text,
  yellow: (text) => text,
  cyan: (text) => text,
};

function paint(format: Parameters<typeof styleText>[0], text: string): string {
  return text === "" ? "" : styleText(format, text, { validateStream: false });
}
