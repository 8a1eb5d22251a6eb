// A load generator for NFSv4.1 servers: one thread with epoll, so that the client is not what is
// measured; TCP, plain or with TLS, AUTH_SYS, one client and one session for each connection
// (RFC 8881).
//
//   nfsbench -h HOST -p PORT -e EXPORT -m MODE [-c connections] [-q requests in flight on each]
//            [-b bytes of a READ or WRITE] [-S bytes of the file] [-n files of a connection]
//            [-t seconds] [-y 0 UNSTABLE | 1 DATA_SYNC | 2 FILE_SYNC] [-d directory's name]
//            [-D 1: one directory for all connections] [-P process id of the server]
//            [-T 1: TLS]
//
//   null, getattr, randread, randwrite     until the time is up, 5 seconds unless said otherwise
//   read, write                            the file once, with -t again and again
//   create, unlink, smallfile              each name once, with -t at most so long
//   stat, readsmall                        each name once, with -t again and again
//
// Prints one line of JSON. An operation is what the mode is named for: create is OPEN and CLOSE,
// smallfile is OPEN, a FILE_SYNC WRITE and CLOSE. UNSTABLE writes end with a COMMIT, and so does
// each pass over the file, within the time that is measured.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "nfs41.h"
#include "stream.h"

enum mode { NOTHING, GETATTR, WRITE, READ, RANDREAD, RANDWRITE, CREATE, SMALLFILE, STAT, UNLINK,
            READSMALL, MODES };
static const char *const mode_names[MODES] = {"null", "getattr", "write", "read", "randread",
  "randwrite", "create", "smallfile", "stat", "unlink", "readsmall"};

static struct {
  const char *host, *port, *export, *directory;
  enum mode mode;
  int connections, depth, stable, files, server;
  bool shared_directory, tls;
  size_t block;
  uint64_t file_size;
  double seconds;
} opt = {"127.0.0.1", "2049", "/", "bench", NOTHING, 1, 1, UNSTABLE, 2000, 0, false, false,
         4096, 256 << 20, 0};

// What a slot of the session is busy with: an operation takes one or more requests, its steps.
enum step { FIRST_STEP, WRITE_OR_READ_STEP, CLOSE_STEP, COMMIT_STEP };
struct slot {
  uint32_t sequence, generation, index;
  enum step step;
  uint64_t begun_ns;
  struct handle file;
  struct stateid stateid;
  uint8_t head[2048];
  size_t head_length, payload_length, sent;
};

struct connection {
  int id, in_flight;
  struct stream stream;
  bool waits_to_send, uncommitted, done;
  uint64_t clientid, next, random;
  uint8_t session[16];
  struct slot *slots;
  int *queue, queue_first, queue_end; // slots with something to send, a ring
  uint8_t *input;
  size_t input_length, input_room;
  struct handle directory, file;
  struct stateid stateid;
};

static int poller;
static uint8_t *payload;
static uint64_t deadline_ns, operations, bytes_moved, errors, delays;
static uint32_t histogram[1 << 16];

static uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t)) die("clock_gettime: %s", strerror(errno));
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

// CPU time of all threads of the server, those that ended included: utime and stime of
// /proc/PID/stat, but in nanoseconds instead of ticks of 10 ms.
static uint64_t server_cpu_ns(void) {
  clockid_t clock;
  if (opt.server == 0) return 0;
  if (clock_getcpuclockid(opt.server, &clock)) die("no process %d", opt.server);
  return clock_ns(clock);
}

// ---- Setting up a connection, one call after the other

static uint8_t request[8192], answer[1 << 16];

static void receive_all(struct stream *stream, void *bytes, size_t n) {
  for (uint8_t *at = bytes; n;) {
    ssize_t got = receive_bytes(stream, at, n);
    if (got <= 0) die("recv: %s", got ? strerror(errno) : "the server closed the connection");
    at += got, n -= got;
  }
}

static uint32_t call(struct connection *c) {
  size_t length = end_call(0), total = 0;
  struct iovec part = {request, length};
  if (send_parts(&c->stream, &part, 1) != (ssize_t)length) die("send: %s", strerror(errno));
  for (uint32_t mark = 0; !(mark >> 31);) {
    receive_all(&c->stream, &mark, 4);
    mark = ntohl(mark);
    if (total + (mark & 0x7fffffff) > sizeof answer) die("a reply that is too long");
    receive_all(&c->stream, answer + total, mark & 0x7fffffff);
    total += mark & 0x7fffffff;
  }
  in = answer;
  check_reply_header();
  return compound_status();
}
static void must(uint32_t status, const char *what) {
  if (status) die("%s: status %u", what, status);
}
static void begin_setup(struct connection *c) {
  begin_compound(request, 0x70000000);
  if (c) sequence(c->session, c->slots[0].sequence, 0, opt.depth - 1);
}
static uint32_t setup_call(struct connection *c) {
  uint32_t status = call(c);
  c->slots[0].sequence++;
  return status;
}

static void open_connection(struct connection *c) {
  struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
  int one = 1, buffer = 4 << 20;
  if (getaddrinfo(opt.host, opt.port, &hints, &found)) die("no address for %s", opt.host);
  int made = socket(found->ai_family, SOCK_STREAM, 0);
  if (connect(made, found->ai_addr, found->ai_addrlen)) die("connect: %s", strerror(errno));
  setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(made, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  setsockopt(made, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  freeaddrinfo(found);
  c->stream = (struct stream){.socket = made};
  if (opt.tls) start_tls(&c->stream);
}

static void open_session(struct connection *c) {
  char owner[128];
  snprintf(owner, sizeof owner, "nfsbench-%d-%llx-%d", getpid(), (long long)now_ns(), c->id);
  begin_setup(NULL);
  operation(OP_EXCHANGE_ID);
  put64(now_ns());
  put_string(owner);
  put32(0), put32(0), put32(0); // flags, SP4_NONE, no implementation id
  must(call(c), "EXCHANGE_ID");
  result_of(OP_EXCHANGE_ID);
  c->clientid = get64();
  uint32_t first = get32(), largest = opt.block < (1 << 20) ? (1 << 20) + 4096 : opt.block + 4096;
  begin_setup(NULL);
  operation(OP_CREATE_SESSION);
  put64(c->clientid), put32(first), put32(0);
  put32(0), put32(largest), put32(largest), put32(8192), put32(16), put32(opt.depth), put32(0);
  put32(0), put32(4096), put32(4096), put32(0), put32(2), put32(1), put32(0); // back channel
  put32(0x40000000), put32(1), put32(0); // callback program, its security: AUTH_NONE
  must(call(c), "CREATE_SESSION");
  result_of(OP_CREATE_SESSION);
  memcpy(c->session, in, 16);
  in += 16 + 3 * 4; // sequence, flags, header padding
  uint32_t request_limit = get32(), reply_limit = get32();
  in += 2 * 4;
  uint32_t slots = get32();
  if ((int)slots < opt.depth) die("the server gave %u slots, %d are needed", slots, opt.depth);
  if (request_limit < opt.block || reply_limit < opt.block) die("requests are limited too much");
  begin_setup(c);
  operation(OP_RECLAIM_COMPLETE), put32(0);
  must(setup_call(c), "RECLAIM_COMPLETE");
}

static void find_root(struct connection *c, struct handle *root) {
  char path[256];
  int names = 0;
  snprintf(path, sizeof path, "%s", opt.export);
  begin_setup(c);
  operation(OP_PUTROOTFH);
  for (char *name = strtok(path, "/"); name; name = strtok(NULL, "/"), names++) lookup(name);
  operation(OP_GETFH);
  must(setup_call(c), "LOOKUP of the export");
  sequence_result();
  result_of(OP_PUTROOTFH);
  for (; names; names--) result_of(OP_LOOKUP);
  result_of(OP_GETFH);
  get_handle(root);
}

static void find_directory(struct connection *c, const struct handle *root) {
  char name[128];
  snprintf(name, sizeof name, "%s.%d", opt.directory, opt.shared_directory ? 0 : c->id);
  begin_setup(c);
  putfh(root), operation(OP_CREATE), put32(2), put_string(name), put_mode(0755);
  uint32_t made = setup_call(c);
  if (made != NFS4ERR_EXIST) must(made, "CREATE of the directory");
  begin_setup(c);
  putfh(root), lookup(name), operation(OP_GETFH);
  must(setup_call(c), "LOOKUP of the directory");
  sequence_result(), result_of(OP_PUTFH), result_of(OP_LOOKUP), result_of(OP_GETFH);
  get_handle(&c->directory);
}

static void open_large_file(struct connection *c) {
  char name[32];
  snprintf(name, sizeof name, "big.%d", c->id);
  begin_setup(c);
  putfh(&c->directory), open_file(c->clientid, "owner", name, true, ACCESS_BOTH);
  operation(OP_GETFH);
  must(setup_call(c), "OPEN of the large file");
  sequence_result(), result_of(OP_PUTFH), open_result(&c->stateid), result_of(OP_GETFH);
  get_handle(&c->file);
}

static void set_up(struct connection *c, int id) {
  struct handle root;
  c->id = id;
  c->random = 88172645463325252ull + id * 7919;
  c->slots = calloc(opt.depth, sizeof *c->slots);
  c->queue = calloc(opt.depth + 1, sizeof *c->queue);
  c->input_room = 1 << 20;
  c->input = malloc(c->input_room);
  for (int i = 0; i < opt.depth; i++) c->slots[i].sequence = 1;
  open_connection(c);
  open_session(c);
  find_root(c, &root);
  find_directory(c, &root);
  if (opt.mode >= GETATTR && opt.mode <= RANDWRITE) open_large_file(c);
  fcntl(c->stream.socket, F_SETFL, O_NONBLOCK);
}

// ---- The load

static uint64_t random_block(struct connection *c) {
  c->random ^= c->random << 13, c->random ^= c->random >> 7, c->random ^= c->random << 17;
  return c->random % (opt.file_size / opt.block);
}

static bool repeats(void) {
  if (opt.mode == STAT || opt.mode == READSMALL) return opt.seconds > 0;
  return (opt.mode == READ || opt.mode == WRITE) && opt.seconds > 0;
}

// Which block or file the slot works on next; false where nothing is left.
static bool take_work(struct connection *c, struct slot *s) {
  bool blocks = opt.mode == READ || opt.mode == WRITE;
  uint64_t end = blocks ? opt.file_size / opt.block : (uint64_t)opt.files;
  s->begun_ns = now_ns();
  if (s->begun_ns >= deadline_ns) return false;
  if (opt.mode == RANDREAD || opt.mode == RANDWRITE) s->index = random_block(c);
  if (opt.mode == NOTHING || opt.mode == GETATTR) return true;
  if (opt.mode == RANDREAD || opt.mode == RANDWRITE) return true;
  if (c->next == end) {
    if (!repeats() || c->uncommitted) return false;
    c->next = 0;
  }
  s->index = c->next++;
  return true;
}

static void compose_first_step(struct connection *c, struct slot *s, const char *owner) {
  char name[64];
  uint64_t offset = (uint64_t)s->index * opt.block;
  snprintf(name, sizeof name, "f.%d.%06u", c->id, s->index);
  switch (opt.mode) {
  case GETATTR: putfh(&c->file), getattr(); break;
  case READ: case RANDREAD: putfh(&c->file), read_block(&c->stateid, offset, opt.block); break;
  case WRITE: case RANDWRITE:
    putfh(&c->file), write_block(&c->stateid, offset, opt.stable, opt.block);
    s->payload_length = opt.block;
    if (opt.stable == UNSTABLE) c->uncommitted = true;
    break;
  case CREATE: case SMALLFILE: case READSMALL:
    putfh(&c->directory);
    if (opt.mode == READSMALL) open_file(c->clientid, owner, name, false, ACCESS_READ);
    else open_file(c->clientid, owner, name, true, ACCESS_WRITE);
    operation(OP_GETFH), operation(OP_ACCESS), put32(0x3f), getattr();
    break;
  case STAT: putfh(&c->directory), lookup(name), operation(OP_GETFH), getattr(); break;
  case UNLINK: putfh(&c->directory), operation(OP_REMOVE), put_string(name); break;
  default: die("mode %d makes no compounds", opt.mode);
  }
}

static void send_later(struct connection *c, int slot) {
  struct slot *s = &c->slots[slot];
  uint32_t xid = (uint32_t)slot | (s->generation++ & 0xffff) << 12;
  char owner[32];
  s->payload_length = s->sent = 0;
  if (opt.mode == NOTHING) {
    begin_call(s->head, xid, 0);
  } else {
    begin_compound(s->head, xid);
    sequence(c->session, s->sequence, slot, opt.depth - 1);
    snprintf(owner, sizeof owner, "owner%d", slot);
    switch (s->step) {
    case FIRST_STEP: compose_first_step(c, s, owner); break;
    case WRITE_OR_READ_STEP:
      putfh(&s->file);
      if (opt.mode == READSMALL) {
        read_block(&s->stateid, 0, opt.block);
      } else {
        write_block(&s->stateid, 0, FILE_SYNC, opt.block);
        s->payload_length = opt.block;
      }
      break;
    case CLOSE_STEP: putfh(&s->file), operation(OP_CLOSE), put32(0);
      put_fixed(s->stateid.bytes, 16); break;
    case COMMIT_STEP: putfh(&c->file), operation(OP_COMMIT), put64(0), put32(0); break;
    }
  }
  s->head_length = end_call(s->payload_length);
  c->queue[c->queue_end] = slot;
  c->queue_end = (c->queue_end + 1) % (opt.depth + 1);
  c->in_flight++;
}

// Gives the slot its next request. The last one to come home commits, or ends the connection.
static void go_on(struct connection *c, int slot) {
  struct slot *s = &c->slots[slot];
  if (s->step != FIRST_STEP || take_work(c, s)) return send_later(c, slot);
  if (c->in_flight > 0) return;
  if (!c->uncommitted) {
    c->done = true;
    return;
  }
  s->step = COMMIT_STEP;
  send_later(c, slot);
}

static void watch(struct connection *c, int how, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, how, c->stream.socket, &event)) die("epoll_ctl: %s", strerror(errno));
}

static size_t total_length(const struct slot *s) {
  return s->head_length + s->payload_length + padding(s->payload_length);
}

static int gather(struct connection *c, struct iovec *parts, int room) {
  int count = 0;
  for (int at = c->queue_first; at != c->queue_end && count + 2 <= room;
       at = (at + 1) % (opt.depth + 1)) {
    struct slot *s = &c->slots[c->queue[at]];
    size_t of_payload = s->sent > s->head_length ? s->sent - s->head_length : 0;
    if (s->sent < s->head_length)
      parts[count++] = (struct iovec){s->head + s->sent, s->head_length - s->sent};
    if (s->payload_length)
      parts[count++] = (struct iovec){payload + of_payload,
                                      total_length(s) - s->head_length - of_payload};
  }
  return count;
}

static void wait_to_send(struct connection *c, bool wait) {
  if (c->waits_to_send != wait) watch(c, EPOLL_CTL_MOD, wait ? EPOLLIN | EPOLLOUT : EPOLLIN);
  c->waits_to_send = wait;
}

static void send_queued(struct connection *c) {
  while (c->queue_first != c->queue_end) {
    struct iovec parts[64];
    ssize_t sent = send_parts(&c->stream, parts, gather(c, parts, 64));
    if (sent < 0 && errno != EAGAIN) die("writev: %s", strerror(errno));
    if (sent < 0) return wait_to_send(c, true);
    while (sent > 0) {
      struct slot *s = &c->slots[c->queue[c->queue_first]];
      size_t left = total_length(s) - s->sent, part = (size_t)sent < left ? (size_t)sent : left;
      s->sent += part, sent -= part;
      if (part == left) c->queue_first = (c->queue_first + 1) % (opt.depth + 1);
    }
  }
  bool flushed = is_flushed(&c->stream);
  if (!flushed && errno != EAGAIN) die("send: %s", strerror(errno));
  wait_to_send(c, !flushed);
}

// Microseconds up to 32 ms, above that steps of 1024.
static void count_operation(const struct slot *s) {
  uint64_t us = (now_ns() - s->begun_ns) / 1000;
  uint64_t coarse = us >> 10 < 32767 ? us >> 10 : 32767;
  histogram[us < 32768 ? us : 32768 + coarse]++;
  operations++;
}
static double percentile(double share) {
  uint64_t reached = 0;
  for (int i = 0; i < 1 << 16; i++) {
    reached += histogram[i];
    if (reached >= operations * share) return i < 32768 ? i : (i - 32768) * 1024.0;
  }
  return 0;
}

// Reads the results of a request that succeeded; whether the operation is complete.
static bool take_results(struct slot *s) {
  sequence_result();
  result_of(OP_PUTFH);
  bool opens = opt.mode == CREATE || opt.mode == SMALLFILE || opt.mode == READSMALL;
  bool reads = opt.mode == READ || opt.mode == RANDREAD ||
               (opt.mode == READSMALL && s->step == WRITE_OR_READ_STEP);
  if (s->step == CLOSE_STEP) return true;
  if (reads) {
    result_of(OP_READ);
    get32(); // end of file
    uint32_t length = get32();
    if (length != opt.block && !errors++) fprintf(stderr, "a READ gave %u bytes\n", length);
    bytes_moved += length;
  } else if (opt.mode == WRITE || opt.mode == RANDWRITE || s->step == WRITE_OR_READ_STEP) {
    bytes_moved += opt.block;
  }
  if (!opens) return true;
  if (s->step == WRITE_OR_READ_STEP) {
    s->step = CLOSE_STEP;
  } else {
    open_result(&s->stateid), result_of(OP_GETFH), get_handle(&s->file);
    s->step = opt.mode == CREATE ? CLOSE_STEP : WRITE_OR_READ_STEP;
  }
  return false;
}

static void committed(struct connection *c) {
  c->uncommitted = false;
  for (int i = 0; i < opt.depth; i++) go_on(c, i);
}

static void take_reply(struct connection *c, const uint8_t *record) {
  in = record;
  uint32_t xid = get32(), status = NFS4_OK;
  int slot = xid & 0xfff;
  struct slot *s = &c->slots[slot];
  in = record;
  check_reply_header();
  c->in_flight--;
  if (opt.mode != NOTHING) status = compound_status(), s->sequence++;
  if (status == NFS4ERR_DELAY) {
    delays++;
    return send_later(c, slot);
  }
  if (status) {
    if (!errors++) fprintf(stderr, "status %u at step %d of %u\n", status, s->step, s->index);
    if (errors > 1000) die("too many errors");
  }
  bool was_commit = s->step == COMMIT_STEP;
  if (status || was_commit) s->step = FIRST_STEP;
  if (was_commit) return committed(c);
  if (!status && (opt.mode == NOTHING || take_results(s))) {
    s->step = FIRST_STEP;
    count_operation(s);
  }
  go_on(c, slot);
}

// The length of the record at `at` with its marks, zero until all of it is there. The contents of
// several fragments are moved together, behind the first mark.
static size_t whole_record(uint8_t *at, size_t available) {
  uint32_t mark = 0;
  size_t end = 0, joined = 4;
  for (; !(mark >> 31); end += 4 + (mark & 0x7fffffff)) {
    if (available < end + 4) return 0;
    memcpy(&mark, at + end, 4);
    mark = ntohl(mark);
  }
  if (available < end) return 0;
  for (size_t from = 0; from < end;) {
    memcpy(&mark, at + from, 4);
    mark = ntohl(mark) & 0x7fffffff;
    if (from > 0) memmove(at + joined, at + from + 4, mark);
    joined += mark, from += 4 + mark;
  }
  return end;
}

static void receive(struct connection *c) {
  // A record of TLS may be there though less came than there is room for.
  for (size_t room = 0, got = 0; got == room || opt.tls;) {
    if (c->input_length == c->input_room) c->input = realloc(c->input, c->input_room *= 2);
    room = c->input_room - c->input_length;
    ssize_t read = receive_bytes(&c->stream, c->input + c->input_length, room);
    if (read < 0 && errno == EAGAIN) break;
    if (read <= 0) die("recv: %s", read ? strerror(errno) : "the server closed the connection");
    got = read, c->input_length += got;
    size_t at = 0;
    for (size_t length; (length = whole_record(c->input + at, c->input_length - at)); at += length)
      take_reply(c, c->input + at + 4);
    memmove(c->input, c->input + at, c->input_length -= at);
  }
  send_queued(c);
}

static bool all_done(const struct connection *connections) {
  for (int i = 0; i < opt.connections; i++)
    if (!connections[i].done) return false;
  return true;
}

static void run(struct connection *connections) {
  for (int i = 0; i < opt.connections; i++) {
    struct connection *c = &connections[i];
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    for (int slot = 0; slot < opt.depth; slot++) go_on(c, slot);
    send_queued(c);
  }
  while (!all_done(connections)) {
    struct epoll_event events[64];
    int count = epoll_wait(poller, events, 64, 10000);
    if (count == 0) die("no reply for 10 s after %lu operations", operations);
    for (int i = 0; i < count; i++) {
      if (events[i].events & EPOLLOUT) send_queued(events[i].data.ptr);
      if (events[i].events & ~EPOLLOUT) receive(events[i].data.ptr);
    }
  }
}

static void parse(int count, char **arguments) {
  for (int letter; (letter = getopt(count, arguments, "h:p:e:m:c:q:b:S:n:t:y:D:d:P:T:")) != -1;)
    switch (letter) {
    case 'h': opt.host = optarg; break;
    case 'p': opt.port = optarg; break;
    case 'e': opt.export = optarg; break;
    case 'm':
      for (opt.mode = 0; opt.mode < MODES && strcmp(mode_names[opt.mode], optarg);) opt.mode++;
      if (opt.mode == MODES) die("no mode %s", optarg);
      break;
    case 'c': opt.connections = atoi(optarg); break;
    case 'q': opt.depth = atoi(optarg); break;
    case 'b': opt.block = atol(optarg); break;
    case 'S': opt.file_size = atoll(optarg); break;
    case 'n': opt.files = atoi(optarg); break;
    case 't': opt.seconds = atof(optarg); break;
    case 'y': opt.stable = atoi(optarg); break;
    case 'd': opt.directory = optarg; break;
    case 'D': opt.shared_directory = atoi(optarg); break;
    case 'P': opt.server = atoi(optarg); break;
    case 'T': opt.tls = atoi(optarg); break;
    default: exit(2);
    }
}

static uint64_t running_time_ns(void) {
  bool ends_by_itself = opt.mode == READ || opt.mode == WRITE || opt.mode >= CREATE;
  if (opt.seconds > 0) return opt.seconds * 1e9;
  return ends_by_itself ? UINT64_MAX / 2 : 5000000000ull;
}

int main(int count, char **arguments) {
  parse(count, arguments);
  payload = malloc(opt.block + 8);
  for (size_t i = 0; i < opt.block + 8; i++) payload[i] = i * 31 + (i >> 9);
  make_credential();
  struct connection *connections = calloc(opt.connections, sizeof *connections);
  for (int i = 0; i < opt.connections; i++) set_up(&connections[i], i);
  poller = epoll_create1(0);
  uint64_t cpu_ns = server_cpu_ns(), begun_ns = now_ns();
  deadline_ns = begun_ns + running_time_ns();
  run(connections);
  double seconds = (now_ns() - begun_ns) / 1e9;
  printf("{\"mode\":\"%s\",\"conns\":%d,\"depth\":%d,\"bs\":%zu,\"ops\":%lu,\"secs\":%.3f,"
         "\"ops_s\":%.0f,\"MB_s\":%.1f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"errs\":%lu,\"delays\":%lu",
         mode_names[opt.mode], opt.connections, opt.depth, opt.block, operations, seconds,
         operations / seconds, bytes_moved / seconds / 1e6, percentile(.5), percentile(.99),
         errors, delays);
  if (opt.server && operations)
    printf(",\"cpu_us_op\":%.2f", (server_cpu_ns() - cpu_ns) / 1e3 / operations);
  puts("}");
  return 0;
}
