/** The file channel of signals: people append lines to a file, and somebody looks now and then what is new. */

/** No line is longer; what is, is no signal. */
const MAX_READ = 1 << 20;

export class SignalFile {
  readonly path: string;
  /** Everything before it has been read. */
  offset: number;

  constructor(path: string, offset: number) {
    this.path = path;
    this.offset = offset;
  }

  /**
   * The lines that are new; the last one when its line end is there. None where there is no file yet. A file that has
   * become shorter is another one, and is read from its start.
   *
   * @throws {Error} what the file system says
   */
  async read(): Promise<string[]> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(this.path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
    try {
      const { size } = await file.stat();
      if (size < this.offset) this.offset = 0;
      if (size === this.offset) return [];
      await file.seek(this.offset, Deno.SeekMode.Start);
      const bytes = new Uint8Array(Math.min(size - this.offset, MAX_READ));
      let length = 0;
      while (length < bytes.length) {
        const read = await file.read(bytes.subarray(length));
        if (read === null) break;
        length += read;
      }
      let end = bytes.subarray(0, length).lastIndexOf(10) + 1;
      if (end === 0 && length === MAX_READ) end = length;
      this.offset += end;
      return new TextDecoder().decode(bytes.subarray(0, end)).split("\n").filter((line) =>
        line.trim() !== ""
      );
    } finally {
      file.close();
    }
  }
}
