"""Does the same random things to names, links, modes and owners in two directories, one of them on
a local file system, as several users, and compares what comes of it. Arguments: the local directory,
the other one, the first seed, how many seeds, the steps of each, and "closing" where no file may be
removed while it is open: Linux's NFS client renames it instead. Prints a line for each seed; ends
with 1 and the last steps where they differ."""

import errno
import os
import random
import shutil
import stat
import sys
import time

ROOT = (0, 0, ())
USERS = [ROOT, (1001, 1001, (1500,)), (1002, 1002, (1500,)), (1003, 1003, ())]
NAMES = ["a", "b", "c", "\udcff\udcfe", "Name with spaces", "x" * 255]
MODES = [0o755, 0o777, 0o700, 0o750, 0o000, 0o711, 0o644, 0o2775, 0o4755, 0o2755, 0o6777]
DIRECTORY_MODES = [0o755, 0o777, 0o777, 0o777, 0o700, 0o750, 0o000, 0o711, 0o2775]
OPEN_FLAGS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_APPEND]
MAKE_FLAGS = [0, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_NOFOLLOW, os.O_DIRECTORY]


# What the local kernel refuses there beyond POSIX it can't refuse on a FUSE file system.
PROTECTIONS = ["protected_symlinks", "protected_regular", "protected_fifos"]
if all(open(f"/proc/sys/fs/{name}").read().strip() == "0" for name in PROTECTIONS):
    MODES.append(0o1777)
    DIRECTORY_MODES.append(0o1777)


# The kernel is told to forget names that not everybody may find any more, right after the change.
TOLD_SECONDS = 0.005


class Differs(Exception):
    pass


class Exercise:
    def __init__(self, local, other, seed, keeps_open):
        self.keeps_open = keeps_open
        self.random = random.Random(seed)
        homes = [os.path.join(home, f"names-{seed}") for home in (local, other)]
        # One level deeper, since links lead upwards.
        self.roots = [os.path.join(home, "root") for home in homes]
        self.steps = []
        self.open_files = []
        for directory in homes + self.roots:
            os.mkdir(directory)
            os.chmod(directory, 0o777)

    def run(self, count):
        actions = [
            (self.open, 8),
            (self.make_directory, 5),
            (self.remove_directory, 2),
            (self.remove_file, 4),
            (self.rename, 6),
            (self.link, 3),
            (self.symbolic_link, 2),
            (self.change_mode, 4),
            (self.change_owner, 3),
            (self.truncate, 2),
            (self.look, 6),
            (self.list, 5),
            (self.may, 3),
            (self.use_open_file, 4),
            (self.set_times, 2),
        ]
        chosen, weights = zip(*actions)
        os.umask(0o022)
        for _ in range(count):
            self.random.choices(chosen, weights)[0]()
        for opened in self.open_files:
            self.close(opened)
        self.compare_trees()
        for root in self.roots:
            shutil.rmtree(os.path.dirname(root))

    def path(self):
        depth = self.random.choice([1, 1, 2, 2, 2, 3, 3, 4])
        return "/".join(self.random.choice(NAMES[:3] if depth > 1 else NAMES) for _ in range(depth))

    def both(self, text, action, user=None):
        """The action's outcome in both roots, as a user, which has to be the same."""
        uid, gid, groups = user or self.random.choice(USERS)
        self.steps.append(f"as {uid}: {text}")
        outcomes = []
        for root in self.roots:
            os.setgroups(groups)
            os.setegid(gid)
            os.seteuid(uid)
            try:
                outcomes.append(("done", action(root)))
            except OSError as problem:
                outcomes.append(("refused", errno.errorcode[problem.errno]))
            finally:
                os.seteuid(0)
                os.setegid(0)
        local, other = outcomes
        if local[0] != other[0] or local[0] == "refused" and not self.alike(local[1], other[1]):
            raise Differs(f"locally {local}, here {other}")
        return (local[1], other[1]) if local[0] == "done" else (None, None)

    def alike(self, local, other):
        """Of two reasons the kernel may give the other one: what the user may do it leaves to a FUSE
        file system, after it has looked at all of the path and at what is there."""
        return local == other or local in ("EACCES", "EPERM") or other in ("EACCES", "EPERM")

    def same(self, text, action, user=None):
        local, other = self.both(text, action, user)
        if local != other:
            raise Differs(f"locally {local}, here {other}")

    def open(self):
        path = self.path()
        flags = self.random.choice(OPEN_FLAGS) | self.random.choice(MAKE_FLAGS)
        mode = self.random.choice(MODES)
        keep = self.random.random() < 0.3 and self.keeps_open

        def action(root):
            file = os.open(f"{root}/{path}", flags | os.O_NONBLOCK, mode)
            if keep:
                return file
            try:
                return self.outcome_of_use(file, flags)
            finally:
                os.close(file)

        text = f"open {path!r} with {flags:o}, mode {mode:o}"
        if not keep:
            self.same(text, action)
            return
        user = self.random.choice(USERS)
        files = self.both(text, action, user)
        if files[0] is None:
            return
        self.open_files.append((files, user))
        # NFS doesn't open directories: one that is removed is gone.
        is_file = stat.S_ISREG(os.fstat(files[0]).st_mode)
        if not is_file or len(self.open_files) > 10:
            self.close(self.open_files.pop(-1 if not is_file else 0))

    def close(self, opened):
        for file in opened[0]:
            os.close(file)

    def outcome_of_use(self, file, flags):
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return "not a file"
        if flags & (os.O_WRONLY | os.O_RDWR):
            os.write(file, b"written")
        return self.facts(os.fstat(file))

    def use_open_file(self):
        if not self.open_files:
            return
        # NFS does it as the user who opened the file, whoever writes.
        files, user = self.random.choice(self.open_files)
        what = self.random.choice(["write", "read", "truncate", "chmod", "stat"])
        mode = self.random.choice(MODES)

        def action(root):
            file = files[self.roots.index(root)]
            if what == "write":
                os.pwrite(file, b"0123456789", 5)
            elif what == "read":
                return os.pread(file, 100, 0)
            elif what == "truncate":
                os.ftruncate(file, 3)
            elif what == "chmod":
                os.fchmod(file, mode)
            return self.facts(os.fstat(file))

        self.same(f"{what} an open file", action, user)

    def make_directory(self):
        path, mode = self.path(), self.random.choice(DIRECTORY_MODES)

        def action(root):
            os.mkdir(f"{root}/{path}", mode & 0o1777)
            os.chmod(f"{root}/{path}", mode)

        self.same(f"mkdir {path!r}, mode {mode:o}", action)

    def remove_directory(self):
        path = self.path()
        self.same(f"rmdir {path!r}", lambda root: os.rmdir(f"{root}/{path}"))

    def remove_file(self):
        path = self.path()
        self.same(f"unlink {path!r}", lambda root: os.unlink(f"{root}/{path}"))

    def rename(self):
        old, new = self.path(), self.path()
        action = lambda root: os.rename(f"{root}/{old}", f"{root}/{new}")
        self.same(f"rename {old!r} to {new!r}", action)
        time.sleep(TOLD_SECONDS)

    def link(self):
        old, new = self.path(), self.path()
        action = lambda root: os.link(f"{root}/{old}", f"{root}/{new}", follow_symlinks=False)
        # Of others the local kernel may refuse it (fs.protected_hardlinks).
        self.same(f"link {old!r} as {new!r}", action, ROOT)

    def symbolic_link(self):
        path, target = self.path(), self.random.choice([self.path(), "../a", "nowhere", "."])
        self.same(f"symlink {path!r} to {target!r}", lambda root: os.symlink(target, f"{root}/{path}"))

    def change_mode(self):
        path, mode = self.path(), self.random.choice(MODES)
        self.same(f"chmod {path!r} to {mode:o}", lambda root: os.chmod(f"{root}/{path}", mode))
        time.sleep(TOLD_SECONDS)

    def change_owner(self):
        path = self.path()
        uid = self.random.choice([-1, 0, 1001, 1002])
        gid = self.random.choice([-1, 0, 1001, 1500] if uid >= 0 else [0, 1001, 1500])
        follow = self.random.random() < 0.5
        action = lambda root: os.chown(f"{root}/{path}", uid, gid, follow_symlinks=follow)
        self.same(f"chown {path!r} to {uid}:{gid}", action)

    def truncate(self):
        path, size = self.path(), self.random.choice([0, 1, 5000])
        self.same(f"truncate {path!r} to {size}", lambda root: os.truncate(f"{root}/{path}", size))

    def set_times(self):
        path = self.path()
        times = self.random.choice([None, (1_000_000_000, 1_100_000_000)])
        action = lambda root: os.utime(f"{root}/{path}", times)
        self.same(f"utime {path!r}", action)

    def look(self):
        path = self.path()
        look = self.random.choice([os.stat, os.lstat])
        self.same(f"{look.__name__} {path!r}", lambda root: self.facts(look(f"{root}/{path}")))

    def list(self):
        path = self.random.choice(["", self.path(), "a", "b"])
        self.same(f"list {path!r}", lambda root: sorted(os.listdir(f"{root}/{path}")))

    def may(self):
        path, mask = self.path(), self.random.randrange(8)
        action = lambda root: os.access(f"{root}/{path}", mask, effective_ids=True)
        self.same(f"access {path!r}, {mask}", action)

    def facts(self, found):
        size = None if stat.S_ISDIR(found.st_mode) else found.st_size
        return oct(found.st_mode), found.st_nlink, found.st_uid, found.st_gid, size

    def compare_trees(self):
        trees = [dict(self.tree(root)) for root in self.roots]
        if trees[0] != trees[1]:
            for name in sorted(trees[0].keys() | trees[1].keys()):
                local, other = trees[0].get(name), trees[1].get(name)
                if local != other:
                    raise Differs(f"in the end {name!r}: {local}, here {other}")

    def tree(self, root):
        for home, directories, files in os.walk(root):
            for name in directories + files:
                path = os.path.join(home, name)
                found = os.lstat(path)
                contents = None
                if stat.S_ISREG(found.st_mode):
                    with open(path, "rb") as file:
                        contents = file.read()
                if stat.S_ISLNK(found.st_mode):
                    contents = os.readlink(path)
                yield os.path.relpath(path, root), (self.facts(found), contents)


def main():
    local, other, first, seeds, steps = *sys.argv[1:3], *map(int, sys.argv[3:6])
    keeps_open = sys.argv[6:] != ["closing"]
    for seed in range(first, first + seeds):
        exercise = Exercise(local, other, seed, keeps_open)
        try:
            exercise.run(steps)
        except Differs as problem:
            last = "\n  ".join(exercise.steps[-25:])
            sys.exit(f"seed {seed}, step {len(exercise.steps)}: {problem}\n  {last}")
        print(f"seed {seed}: {len(exercise.steps)} steps")


main()
