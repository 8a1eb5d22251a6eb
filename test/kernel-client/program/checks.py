"""What a guest does with the kernel's NFS client; the host has a test for each check.

    python3 checks.py DIRECTORY SERVER VERSION

Writes a line of JSON for each check to the console. DIRECTORY is where the host leaves what it
has to say. The file system is mounted twice, and the two mounts share no caches and no locks: what
one of them knows of the other, it has from the server.
"""

import fcntl
import hashlib
import mmap
import os
import re
import stat
import struct
import time

from support import (
    ask_restart,
    check,
    Child,
    contents,
    drop_caches,
    EXCLUSIVE,
    get,
    HERE,
    log_since_mount,
    opened,
    put,
    refusal,
    run,
    run_checks,
    SHARED,
    there,
    THERE,
    try_range,
    try_whole,
    UNLOCKED,
    write_all,
)

MIB = 1024 * 1024

# Files that are locked over the server's restart.
kept = {}

# Contents.


@check("files of 0 bytes to 16 MiB that were synced have their bytes on the server")
def sizes(home):
    tried = (0, 1, 4095, 4096, 4097, 65_537, MIB - 1, MIB, MIB + 1, 16 * MIB)
    for size in tried:
        put(f"{home}/{size}", contents(str(size), size))
    drop_caches()
    for size in tried:
        expected = hashlib.sha256(contents(str(size), size)).hexdigest()
        assert hashlib.sha256(get(f"{home}/{size}")).hexdigest() == expected, size
        assert os.stat(f"{home}/{size}").st_size == size


@check("a write into the middle of a file changes those bytes and no others")
def middle(home):
    whole = bytearray(contents("whole", 3 * MIB + 17))
    put(f"{home}/file", whole)
    for offset, length in ((1, 1), (4095, 2), (MIB - 3, 70_000), (3 * MIB + 10, 30)):
        patch = contents(str(offset), length)
        descriptor = os.open(f"{home}/file", os.O_WRONLY)
        os.pwrite(descriptor, patch, offset)
        os.close(descriptor)
        whole[offset : offset + length] = patch
    drop_caches()
    assert get(f"{home}/file") == whole


@check("what one client wrote and closed, another that opens the file reads")
def close_to_open(home):
    for generation in range(5):
        data = contents(str(generation), 10_000 - generation)
        put(f"{home}/file", data)
        assert get(there(f"{home}/file")) == data, generation


@check("a file cut short and made longer again has zeros where it was cut")
def cut(home):
    put(f"{home}/file", contents("cut", 200_000))
    os.truncate(f"{home}/file", 5000)
    os.truncate(f"{home}/file", 100_000)
    drop_caches()
    assert get(f"{home}/file") == contents("cut", 5000) + bytes(95_000)


@check("a file with a hole of 10 GiB takes few blocks and reads as zeros")
def hole(home):
    end = 10 * 1024 * MIB
    with open(f"{home}/file", "wb") as file:
        file.write(b"front")
        file.seek(end)
        file.write(b"back")
    drop_caches()
    found = os.stat(f"{home}/file")
    assert found.st_size == end + 4
    assert found.st_blocks * 512 < MIB, found.st_blocks
    with open(f"{home}/file", "rb") as file:
        assert file.read(4096) == b"front" + bytes(4091)
        file.seek(end - 5000)
        assert file.read() == bytes(5000) + b"back"


@check("two processes that append at the same time lose and mix nothing")
def append(home):
    def work(name):
        descriptor = os.open(f"{home}/log", os.O_WRONLY | os.O_APPEND)
        for number in range(300):
            os.write(descriptor, f"{name} {number:010}\n".encode())
        os.close(descriptor)

    put(f"{home}/log", b"")
    writers = [Child(lambda name=name: work(name)) for name in ("a", "b")]
    for writer in writers:
        writer.result()
    drop_caches()
    lines = get(f"{home}/log").decode().splitlines()
    for name in ("a", "b"):
        mine = [line for line in lines if line.startswith(name)]
        assert mine == [f"{name} {number:010}" for number in range(300)]
    assert len(lines) == 600, len(lines)


@check("what is written to a shared mapping is in the file after msync")
def mapping(home):
    put(f"{home}/file", bytes(3 * 4096 + 100))
    with open(f"{home}/file", "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
        mapped[4090:4103] = b"over the edge"
        mapped[3 * 4096 + 95 :] = b"ended"
        mapped.flush()
        found = get(there(f"{home}/file"))
        mapped.close()
    assert found[4090:4103] == b"over the edge"
    assert found[3 * 4096 + 95 :] == b"ended"
    assert found.count(0) == 3 * 4096 + 100 - 18


# Names.


@check("a directory of 2,000 entries lists each of them once, and can be emptied as it is read")
def many(home):
    expected = sorted(f"entry-{number:04}-{'x' * (number % 50)}" for number in range(2000))
    for name in expected:
        os.mknod(f"{home}/{name}", 0o600 | stat.S_IFREG)
    assert sorted(os.listdir(there(home))) == expected
    drop_caches()
    assert sorted(os.listdir(home)) == expected
    with os.scandir(home) as entries:
        for entry in entries:
            assert entry.is_file(follow_symlinks=False)
            os.unlink(entry.path)
    os.rmdir(home)


@check("rename keeps the inode, replaces a file, moves directories, and refuses a full one")
def renaming(home):
    put(f"{home}/from", b"from")
    put(f"{home}/to", b"to")
    inode = os.stat(f"{home}/from").st_ino
    os.rename(f"{home}/from", f"{home}/to")
    assert os.listdir(there(home)) == ["to"]
    assert os.stat(there(f"{home}/to")).st_ino == inode
    assert get(there(f"{home}/to")) == b"from"
    os.makedirs(f"{home}/deep/down")
    os.rename(f"{home}/to", f"{home}/deep/down/to")
    os.rename(f"{home}/deep/down", f"{home}/up")
    assert os.listdir(there(f"{home}/up")) == ["to"]
    assert os.stat(f"{home}/deep").st_nlink == 2
    assert refusal(os.rename, f"{home}/deep", f"{home}/up") == "ENOTEMPTY"
    assert refusal(os.rename, f"{home}/up", f"{home}/up/in") == "EINVAL"
    assert refusal(os.rename, f"{home}/none", f"{home}/any") == "ENOENT"


@check("a hard link is the same file until the last name is gone")
def hard_link(home):
    put(f"{home}/one", b"1")
    os.link(f"{home}/one", f"{home}/two")
    put(f"{home}/two", b"2", os.O_APPEND)
    one, two = os.stat(f"{home}/one"), os.stat(there(f"{home}/two"))
    assert (one.st_ino, one.st_nlink) == (two.st_ino, 2)
    os.unlink(f"{home}/one")
    assert os.stat(f"{home}/two").st_nlink == 1
    assert get(there(f"{home}/two")) == b"12"
    assert refusal(os.link, f"{home}/two", f"{home}/two") == "EEXIST"


@check("symbolic links keep their target, are followed, and may dangle")
def symbolic_link(home):
    put(f"{home}/file", b"data")
    for name, target in (("near", "file"), ("far", "./" * 1000 + "file"), ("lost", "nowhere")):
        os.symlink(target, f"{home}/{name}")
        assert os.readlink(there(f"{home}/{name}")) == target
    assert get(f"{home}/near") == get(f"{home}/far") == b"data"
    assert refusal(os.stat, f"{home}/lost") == "ENOENT"
    assert os.lstat(f"{home}/lost").st_size == len("nowhere")


@check("a name may have 255 bytes, and not 256")
def long_names(home):
    for name in ("n" * 255, "é" * 127 + "n"):
        put(f"{home}/{name}", name.encode())
        assert get(there(f"{home}/{name}")) == name.encode()
    assert sorted(os.listdir(there(home))) == sorted(["n" * 255, "é" * 127 + "n"])
    assert refusal(put, f"{home}/{'n' * 256}", b"") == "ENAMETOOLONG"
    assert refusal(put, f"{home}/{'é' * 128}", b"") == "ENAMETOOLONG"


@check("only the first of two that create a file exclusively gets it")
def exclusively(home):
    # The kernel tells its attempts apart by the time and the process: one process that is fast
    # would look as if it had sent the same request twice.
    def create(path):
        return Child(lambda: refusal(put, path, b"", os.O_CREAT | os.O_EXCL)).result()

    assert create(f"{home}/file") is None
    assert create(there(f"{home}/file")) == "EEXIST"
    assert stat.S_IMODE(os.stat(there(f"{home}/file")).st_mode) == 0o644


@check("an open file that its own client removes stays usable, and is gone when it is closed")
def removed_here(home):
    with open(f"{home}/file", "w+b") as file:
        file.write(b"before")
        file.flush()
        os.unlink(f"{home}/file")
        assert refusal(os.stat, f"{home}/file") == "ENOENT"
        file.write(b" and after")
        os.fsync(file.fileno())
        drop_caches()
        file.seek(0)
        assert file.read() == b"before and after"
    assert os.listdir(there(home)) == []


@check("an open file that another client removes stays readable for who has it open")
def removed_there(home):
    put(f"{home}/file", contents("removed", 300_000))
    with open(f"{home}/file", "rb") as file:
        os.unlink(there(f"{home}/file"))
        drop_caches()
        assert file.read() == contents("removed", 300_000)
    assert os.listdir(there(home)) == []


# Attributes.


@check("chmod, chown and utime are seen by another client, to the nanosecond")
def attributes(home):
    put(f"{home}/file", b"data")
    os.chown(f"{home}/file", 1001, 1002)
    os.chmod(f"{home}/file", 0o4751)
    changed = os.stat(f"{home}/file").st_ctime_ns
    os.utime(f"{home}/file", ns=(1_000_000_000_123_456_789, 1_500_000_000_987_654_321))
    found = opened(there(f"{home}/file"))
    assert stat.S_IMODE(found.st_mode) == 0o4751, oct(found.st_mode)
    assert (found.st_uid, found.st_gid) == (1001, 1002)
    assert found.st_atime_ns == 1_000_000_000_123_456_789
    assert found.st_mtime_ns == 1_500_000_000_987_654_321
    assert found.st_ctime_ns > changed
    os.utime(f"{home}/file")
    assert opened(there(f"{home}/file")).st_mtime_ns > 1_600_000_000_000_000_000


@check("a user without rights is refused, and one of the file's group is not")
def permissions(home):
    def user(group):
        os.setgroups([group])
        os.setgid(5000)
        os.setuid(5000)
        return [
            refusal(get, f"{home}/file"),
            refusal(put, f"{home}/file", b"", 0),
            refusal(os.chmod, f"{home}/file", 0o666),
        ]

    put(f"{home}/file", b"data")
    os.chown(f"{home}/file", 0, 6000)
    os.chmod(f"{home}/file", 0o640)
    assert Child(lambda: user(6001)).result() == ["EACCES", "EACCES", "EPERM"]
    assert Child(lambda: user(6000)).result() == [None, "EACCES", "EPERM"]


@check("statfs gives a file system of 8 EiB, and names of 255 bytes")
def space(home):
    found = os.statvfs(home)
    assert 2**62 < found.f_blocks * found.f_frsize < 2**63
    assert 0 < found.f_bavail <= found.f_bfree < found.f_blocks
    assert found.f_namemax == 255


# Locks. The same path locks against a process of this client, which the kernel decides; the path
# through the other mount asks the server.


@check("byte-range locks of two processes conflict where they overlap, and only there")
def ranges(home):
    put(f"{home}/file", b"data")
    with open(f"{home}/file", "r+b") as file:
        fcntl.lockf(file, EXCLUSIVE, 100, 0)
        fcntl.lockf(file, SHARED, 100, 200)
        for path in (f"{home}/file", there(f"{home}/file")):
            for kind, start, length, expected in (
                (EXCLUSIVE, 99, 1, "EAGAIN"),
                (SHARED, 0, 1, "EAGAIN"),
                (EXCLUSIVE, 100, 100, None),
                (EXCLUSIVE, 150, 0, "EAGAIN"),
                (SHARED, 150, 0, None),
                (EXCLUSIVE, 300, 0, None),
            ):
                found = try_range(path, kind, start, length)
                assert found == expected, (path, kind, start, length, found)


@check("unlocking the middle of a range frees that, and closing the file frees the rest")
def unlocking(home):
    put(f"{home}/file", b"data")
    paths = (f"{home}/file", there(f"{home}/file"))
    with open(f"{home}/file", "r+b") as file:
        fcntl.lockf(file, EXCLUSIVE, 100, 0)
        fcntl.lockf(file, UNLOCKED, 20, 40)
        for path in paths:
            for start, length, expected in ((0, 40, "EAGAIN"), (40, 20, None), (60, 40, "EAGAIN")):
                found = try_range(path, EXCLUSIVE, start, length)
                assert found == expected, (path, start, found)
    for path in paths:
        assert try_range(path, EXCLUSIVE, 0, 0) is None, path


@check("asking who has a lock names the range that another client holds")
def who(home):
    def ask(path, start):
        with open(path, "r+b") as file:
            wanted = struct.pack("hhxxxxqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, 5, 0)
            got = struct.unpack("hhxxxxqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, wanted))
            return [got[0], *got[2:4]]

    put(f"{home}/file", b"data")
    with open(f"{home}/file", "r+b") as file:
        fcntl.lockf(file, EXCLUSIVE, 10, 20)
        for path in (f"{home}/file", there(f"{home}/file")):
            assert Child(lambda: ask(path, 18)).result() == [fcntl.F_WRLCK, 20, 10], path
            assert Child(lambda: ask(path, 30)).result()[0] == fcntl.F_UNLCK, path


@check("a process that waits for a lock gets it once the other lets go, and not before")
def waiting(home):
    def wait(path):
        with open(path, "r+b") as file:
            fcntl.lockf(file, EXCLUSIVE, 10, 0)
            return time.monotonic()

    put(f"{home}/file", b"data")
    for path in (f"{home}/file", there(f"{home}/file")):
        with open(f"{home}/file", "r+b") as file:
            fcntl.lockf(file, EXCLUSIVE, 10, 0)
            child = Child(lambda: wait(path))
            child.await_sleep()
            freed = time.monotonic()
            fcntl.lockf(file, UNLOCKED, 10, 0)
            assert child.result() >= freed, path


@check("flock excludes other opens of the file, on this client and on another")
def whole(home):
    put(f"{home}/file", b"data")
    with open(f"{home}/file", "r+b") as file:
        for path in (f"{home}/file", there(f"{home}/file")):
            for held, wanted, expected in (
                (EXCLUSIVE, EXCLUSIVE, "EAGAIN"),
                (EXCLUSIVE, SHARED, "EAGAIN"),
                (SHARED, EXCLUSIVE, "EAGAIN"),
                (SHARED, SHARED, None),
                (UNLOCKED, EXCLUSIVE, None),
            ):
                fcntl.flock(file, held)
                found = try_whole(path, wanted)
                assert found == expected, (path, held, wanted, found)


# The server's restart, and the end.


@check("writes go on over a crash of the server, and every byte is there afterwards")
def restart(home):
    for name, lock in (("ranges", fcntl.lockf), ("whole", fcntl.flock)):
        put(f"{HERE}/kept-{name}", b"data")
        kept[name] = open(f"{HERE}/kept-{name}", "r+b")
        lock(kept[name], EXCLUSIVE)
    with open(f"{home}/open", "w+b", buffering=0) as file:
        restarted, block, after = ask_restart(), 0, 0
        while after < 20:
            after += 1 if restarted() else 0
            data = contents(str(block), 50_000)
            write_all(file.fileno(), data)
            if block % 3 == 0:
                os.fsync(file.fileno())
            put(f"{home}/{block}", data)
            block += 1
    drop_caches()
    assert get(f"{home}/open") == b"".join(contents(str(each), 50_000) for each in range(block))
    for each in range(block):
        assert get(there(f"{home}/{each}")) == contents(str(each), 50_000), each


@check("locks are held over a crash of the server, and can be let go afterwards")
def restart_locked(_home):
    ranges, whole = there(f"{HERE}/kept-ranges"), there(f"{HERE}/kept-whole")
    assert try_range(ranges, SHARED, 14, 1) == "EAGAIN"
    assert try_whole(whole, SHARED) == "EAGAIN"
    fcntl.lockf(kept["ranges"], UNLOCKED)
    fcntl.flock(kept["whole"], UNLOCKED)
    assert try_range(ranges, EXCLUSIVE, 0, 0) is None
    assert try_whole(whole, EXCLUSIVE) is None
    for file in kept.values():
        file.close()


@check("both mounts end, and the kernel had nothing to complain about")
def unmounts(_home):
    run("umount", HERE)
    run("umount", THERE)
    complaints = [line for line in log_since_mount() if re.search("nfs|rpc", line, re.IGNORECASE)]
    assert complaints == [], complaints


run_checks()
