// NFSv4.1 calls and replies as nfsbench needs them: XDR (RFC 4506), ONC RPC (RFC 5531), and the
// operations of a COMPOUND (RFC 8881). Included by nfsbench.c alone, so that all is inlined.
#pragma once
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum operation {
  OP_ACCESS = 3, OP_CLOSE = 4, OP_COMMIT = 5, OP_CREATE = 6, OP_GETATTR = 9, OP_GETFH = 10,
  OP_LOOKUP = 15, OP_OPEN = 18, OP_PUTFH = 22, OP_PUTROOTFH = 24, OP_READ = 25, OP_REMOVE = 28,
  OP_WRITE = 38, OP_EXCHANGE_ID = 42, OP_CREATE_SESSION = 43, OP_SEQUENCE = 53,
  OP_RECLAIM_COMPLETE = 58,
};
enum status { NFS4_OK = 0, NFS4ERR_EXIST = 17, NFS4ERR_DELAY = 10008 };
enum { UNSTABLE = 0, FILE_SYNC = 2 };
enum { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_BOTH = 3 };

struct handle { uint32_t length; uint8_t bytes[128]; };
struct stateid { uint8_t bytes[16]; };

static void die(const char *format, ...) {
  va_list values;
  va_start(values, format);
  fputs("nfsbench: ", stderr);
  vfprintf(stderr, format, values);
  fputs("\n", stderr);
  exit(1);
}

// ---- XDR (RFC 4506): requests are written at `out`, replies read at `in`

static uint8_t *out;
static const uint8_t *in;

static void put32(uint32_t v) { v = htonl(v); memcpy(out, &v, 4); out += 4; }
static void put64(uint64_t v) { put32(v >> 32); put32(v); }
static void put_fixed(const void *bytes, size_t n) { memcpy(out, bytes, n); out += n; }
static size_t padding(size_t n) { return -n & 3; }
static void put_opaque(const void *bytes, uint32_t n) {
  put32(n);
  put_fixed(bytes, n);
  for (size_t pad = padding(n); pad; pad--) *out++ = 0;
}
static void put_string(const char *text) { put_opaque(text, strlen(text)); }
static uint32_t get32(void) { uint32_t v; memcpy(&v, in, 4); in += 4; return ntohl(v); }
static uint64_t get64(void) { uint64_t high = get32(); return high << 32 | get32(); }
static void skip_opaque(void) { uint32_t n = get32(); in += n + padding(n); }
static void get_handle(struct handle *h) {
  h->length = get32();
  if (h->length > sizeof h->bytes) die("a handle of %u bytes", h->length);
  memcpy(h->bytes, in, h->length);
  in += h->length + padding(h->length);
}

// ---- RPC (RFC 5531) and COMPOUND

static uint8_t credential[64];
static size_t credential_length;
static uint8_t *message, *operation_count_at;
static uint32_t operation_count;

static void make_credential(void) {
  out = credential;
  put32(1); // stamp
  put_string("nfsbench");
  put32(0), put32(0), put32(0); // uid, gid, no more groups
  credential_length = out - credential;
}

static void begin_call(uint8_t *at, uint32_t xid, uint32_t procedure) {
  message = at;
  out = at + 4;
  put32(xid), put32(0), put32(2), put32(100003), put32(4), put32(procedure);
  put32(procedure ? 1 : 0); // AUTH_SYS, for NULL AUTH_NONE
  put_opaque(credential, procedure ? credential_length : 0);
  put32(0), put32(0); // the verifier
  operation_count_at = NULL;
}
static void begin_compound(uint8_t *at, uint32_t xid) {
  begin_call(at, xid, 1);
  put32(0), put32(1); // no tag, minor version 1
  operation_count_at = out;
  operation_count = 0;
  put32(0);
}
static void operation(enum operation number) { put32(number); operation_count++; }

// Writes the record mark; `payload_bytes` follow the head. The head's length comes back.
static size_t end_call(size_t payload_bytes) {
  size_t length = out - message;
  if (operation_count_at) out = operation_count_at, put32(operation_count);
  out = message;
  put32(0x80000000u | (length - 4 + payload_bytes + padding(payload_bytes)));
  return length;
}

static void sequence(const uint8_t *session, uint32_t number, int slot, int highest_slot) {
  operation(OP_SEQUENCE);
  put_fixed(session, 16);
  put32(number), put32(slot), put32(highest_slot), put32(0);
}
static void putfh(const struct handle *h) { operation(OP_PUTFH); put_opaque(h->bytes, h->length); }
static void lookup(const char *name) { operation(OP_LOOKUP); put_string(name); }
static void put_mode(uint32_t mode) { put32(2), put32(0), put32(2), put32(4), put32(mode); }
// What Linux asks for: type, change, size, fsid, fileid, mode, links, owners, space, times.
static void getattr(void) { operation(OP_GETATTR); put32(2), put32(0x0010011a), put32(0x00b0a23a); }
static void open_file(uint64_t clientid, const char *owner, const char *name, bool create,
                      uint32_t access) {
  operation(OP_OPEN);
  put32(0), put32(access), put32(0); // seqid, share access, deny none
  put64(clientid);
  put_string(owner);
  put32(create);
  if (create) put32(0), put_mode(0644); // UNCHECKED4
  put32(0);                             // CLAIM_NULL
  put_string(name);
}
static void read_block(const struct stateid *stateid, uint64_t offset, uint32_t length) {
  operation(OP_READ);
  put_fixed(stateid->bytes, 16);
  put64(offset), put32(length);
}
// The bytes to write aren't copied: they go out behind the head.
static void write_block(const struct stateid *stateid, uint64_t offset, int stable,
                        uint32_t length) {
  operation(OP_WRITE);
  put_fixed(stateid->bytes, 16);
  put64(offset), put32(stable), put32(length);
}

static void check_reply_header(void) {
  get32(); // xid
  if (get32() != 1) die("a message that is no reply");
  if (get32() != 0) die("RPC denied");
  get32();
  skip_opaque();
  uint32_t accepted = get32();
  if (accepted) die("RPC not accepted: %u", accepted);
}
static uint32_t compound_status(void) {
  uint32_t status = get32();
  skip_opaque();
  get32();
  return status;
}
static void result_of(enum operation expected) {
  uint32_t number = get32(), status = get32();
  if (number != expected || status) die("operation %u: %u, status %u", expected, number, status);
}
static void sequence_result(void) { result_of(OP_SEQUENCE); in += 16 + 20; }
static void open_result(struct stateid *stateid) {
  result_of(OP_OPEN);
  memcpy(stateid->bytes, in, 16);
  in += 16 + 4 + 8 + 8 + 4; // change_info, flags
  in += 4 * get32();        // attributes that were set
  uint32_t delegation = get32();
  if (delegation == 1 || delegation == 2) die("a delegation that nobody asked for");
  if (delegation != 3) return; // OPEN_DELEGATE_NONE_EXT says why
  uint32_t why = get32();
  if (why == 1 || why == 2) get32();
}
