"""Does random things to one file through several descriptors and a mapping, and compares what is
there with a copy in memory after each. Arguments: a directory, the first seed, how many seeds, and
the steps of each. Prints a line for each seed; ends with 1 and the last steps where they differ."""

import mmap
import os
import random
import sys

LONGEST = 1 << 20
PIECE = 96 << 10
# Of the descriptors: one through the page cache, one past it, and one that appends.
FLAGS = [0, os.O_DIRECT, os.O_APPEND]


class Differs(Exception):
    pass


class Exercise:
    def __init__(self, directory, seed):
        self.random = random.Random(seed)
        self.path = os.path.join(directory, f"exercise-{seed}")
        self.copy = bytearray()
        self.steps = []
        self.files = [self.open(flags | os.O_CREAT) for flags in FLAGS]

    def open(self, flags):
        return os.open(self.path, os.O_RDWR | flags, 0o644)

    def run(self, count):
        actions = [
            (self.write, 6),
            (self.write_past_end, 2),
            (self.read, 6),
            (self.append, 2),
            (self.truncate, 2),
            (self.map_write, 2),
            (self.map_read, 2),
            (self.synchronise, 1),
            (self.reopen, 1),
            (self.look, 3),
            (self.rename, 1),
            (self.touch, 1),
        ]
        names, weights = zip(*actions)
        for _ in range(count):
            self.random.choices(names, weights)[0]()
        for file in self.files:
            os.close(file)
        with open(self.path, "rb") as file:
            self.compare(0, file.read(), len(self.copy), "read at the end")
        os.unlink(self.path)

    def write(self):
        self.write_at(self.offset(), self.bytes())

    def write_past_end(self):
        room = LONGEST - len(self.copy)
        if room > 0:
            self.write_at(len(self.copy) + self.random.randrange(room), self.bytes())

    def write_at(self, offset, data):
        self.step(f"write {len(data)} at {offset}")
        written = os.pwrite(self.random.choice(self.files[:2]), data, offset)
        self.expect(written, len(data), "bytes written")
        self.change(offset, data)

    def append(self):
        data = self.bytes()
        self.step(f"append {len(data)}")
        self.expect(os.write(self.files[2], data), len(data), "bytes appended")
        self.change(len(self.copy), data)

    def read(self):
        offset, length = self.offset(), self.random.randrange(1, PIECE)
        self.step(f"read {length} at {offset}")
        found = os.pread(self.random.choice(self.files), length, offset)
        self.compare(offset, found, length, "read")

    def truncate(self):
        size = self.random.choice([0, self.offset(), self.random.randrange(LONGEST)])
        self.step(f"truncate to {size}")
        if self.random.random() < 0.3:
            os.truncate(self.path, size)
        else:
            os.ftruncate(self.random.choice(self.files), size)
        del self.copy[size:]
        self.copy.extend(bytes(size - len(self.copy)))

    def map_write(self):
        if not self.copy:
            return
        start, length = self.range_inside()
        data = self.random.randbytes(length)
        self.step(f"write {length} at {start} by a mapping")
        with mmap.mmap(self.files[0], len(self.copy)) as mapping:
            mapping[start : start + length] = data
            if self.random.random() < 0.5:
                mapping.flush()
        self.change(start, data)

    def map_read(self):
        if not self.copy:
            return
        start, length = self.range_inside()
        self.step(f"read {length} at {start} by a mapping")
        with mmap.mmap(self.files[1], len(self.copy), access=mmap.ACCESS_READ) as mapping:
            self.compare(start, mapping[start : start + length], length, "mapped")

    def synchronise(self):
        self.step("fsync")
        self.random.choice([os.fsync, os.fdatasync])(self.random.choice(self.files))

    def reopen(self):
        which = self.random.randrange(len(self.files))
        self.step(f"open descriptor {which} again")
        os.close(self.files[which])
        self.files[which] = self.open(FLAGS[which])

    def look(self):
        self.step("stat")
        look = self.random.choice([lambda: os.stat(self.path), lambda: os.fstat(self.files[0])])
        self.expect(look().st_size, len(self.copy), "size")
        end = os.lseek(self.files[1], 0, os.SEEK_END)
        self.expect(end, len(self.copy), "end of the file")

    def rename(self):
        self.step("rename")
        other = self.path + "-renamed"
        os.rename(self.path, other)
        os.rename(other, self.path)

    def touch(self):
        self.step("utime and chmod")
        # What a mapping wrote would set the time when it goes out.
        os.fsync(self.files[0])
        if self.random.random() < 0.5:
            self.write_at(self.offset(), self.bytes())
        os.utime(self.path, (1, 2))
        mode = self.random.choice([0o600, 0o644])
        os.fchmod(self.files[0], mode)
        found = os.stat(self.path)
        self.expect((found.st_mtime, found.st_mode & 0o7777), (2, mode), "time and mode")

    def offset(self):
        return self.random.randrange(len(self.copy) + 1)

    def range_inside(self):
        start = self.random.randrange(len(self.copy))
        return start, self.random.randrange(1, min(PIECE, len(self.copy) - start) + 1)

    def bytes(self):
        longest = self.random.choice([16, 5000, PIECE])
        return self.random.randbytes(self.random.randrange(1, longest))

    def change(self, offset, data):
        self.copy.extend(bytes(max(0, offset - len(self.copy))))
        self.copy[offset : offset + len(data)] = data

    def compare(self, offset, found, length, what):
        wanted = bytes(self.copy[offset : offset + length])
        if found == wanted:
            return
        common = min(len(found), len(wanted))
        at = next((i for i in range(common) if found[i] != wanted[i]), common)
        raise Differs(f"{what}: {len(found)} of {len(wanted)} bytes, wrong from {offset + at}")

    def expect(self, found, wanted, what):
        if found != wanted:
            raise Differs(f"{what}: {found} instead of {wanted}")

    def step(self, text):
        self.steps.append(f"{text} (size {len(self.copy)})")


def main():
    directory, first, seeds, steps = sys.argv[1], *map(int, sys.argv[2:])
    for seed in range(first, first + seeds):
        exercise = Exercise(directory, seed)
        try:
            exercise.run(steps)
        except (Differs, OSError) as problem:
            last = "\n  ".join(exercise.steps[-25:])
            sys.exit(f"seed {seed}, step {len(exercise.steps)}: {problem}\n  {last}")
        print(f"seed {seed}: {len(exercise.steps)} steps")


main()
