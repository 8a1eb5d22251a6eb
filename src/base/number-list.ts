/** A piece of the list has 4096 numbers, so that a short list takes little room. */
const pieceBits = 12;
const pieceLength = 1 << pieceBits;

type NumberArray = Float64Array | Uint32Array | Uint8Array;

/** Millions of numbers, each in as many bytes as `Piece` gives it, that are never copied. */
export class NumberList {
  readonly #newPiece: new (length: number) => NumberArray;
  readonly #pieces: NumberArray[] = [];
  #length = 0;

  constructor(Piece: new (length: number) => NumberArray) {
    this.#newPiece = Piece;
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if ((this.#length & (pieceLength - 1)) === 0)
      this.#pieces.push(new this.#newPiece(pieceLength));
    this.#length += 1;
    this.set(this.#length - 1, value);
  }

  /** `index` from 0, below `length`, which is at most 2^31. */
  at(index: number): number {
    return this.#pieces[index >>> pieceBits]![index & (pieceLength - 1)]!;
  }

  set(index: number, value: number): void {
    this.#pieces[index >>> pieceBits]![index & (pieceLength - 1)] = value;
  }

  add(index: number, value: number): void {
    this.set(index, this.at(index) + value);
  }

  /** Where `value` is in a list that ascends; -1 where it isn't. */
  find(value: number): number {
    let from = 0;
    let to = this.#length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const there = this.at(middle);
      if (there === value) return middle;
      if (there < value) from = middle + 1;
      else to = middle;
    }
    return -1;
  }
}
