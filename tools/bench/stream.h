// A connection's bytes, plain or through TLS 1.3; the server's certificate isn't looked at.
// Included by nfsbench.c alone.
#pragma once
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "nfs41.h"

// What one TLS record carries (RFC 8446 §5.1), and what is encrypted before it is sent: a system
// call for each record would cost more than its encryption.
enum { RECORD_BYTES = 16384, BATCH_BYTES = 16 * RECORD_BYTES };

struct stream {
  int socket;
  SSL *tls;
  BIO *encrypted; // what the socket has not taken yet
};

static ssize_t tls_result(SSL *tls, int result) {
  if (result > 0) return result;
  int error = SSL_get_error(tls, result);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
    die("TLS: %s", ERR_error_string(ERR_get_error(), NULL));
  errno = EAGAIN;
  return -1;
}

// Whether the socket took all that is encrypted; else errno says why not.
static bool send_encrypted(struct stream *s) {
  for (char *bytes; BIO_pending(s->encrypted);) {
    long length = BIO_get_mem_data(s->encrypted, &bytes);
    ssize_t sent = send(s->socket, bytes, length, 0);
    if (sent < 0) return false;
    if (sent == length) return BIO_reset(s->encrypted) == 1;
    static char taken[BATCH_BYTES];
    for (int n; sent > 0; sent -= n) {
      n = BIO_read(s->encrypted, taken, sent < BATCH_BYTES ? sent : BATCH_BYTES);
      if (n <= 0) die("TLS: what was sent is not there");
    }
  }
  return true;
}

static void start_tls(struct stream *s) {
  static SSL_CTX *context;
  if (!context) {
    context = SSL_CTX_new(TLS_client_method());
    // Many records with one system call.
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, BATCH_BYTES);
  }
  s->tls = SSL_new(context);
  SSL_set_fd(s->tls, s->socket);
  if (SSL_connect(s->tls) != 1) die("TLS: %s", ERR_error_string(ERR_get_error(), NULL));
  s->encrypted = BIO_new(BIO_s_mem());
  SSL_set0_wbio(s->tls, s->encrypted);
}

static ssize_t receive_bytes(struct stream *s, void *bytes, size_t n) {
  return s->tls ? tls_result(s->tls, SSL_read(s->tls, bytes, n)) : recv(s->socket, bytes, n, 0);
}

// As writev(2); with TLS at most a batch, which the socket may not have taken yet: see is_flushed.
static ssize_t send_parts(struct stream *s, const struct iovec *parts, int count) {
  static uint8_t batch[BATCH_BYTES];
  if (!s->tls) return writev(s->socket, parts, count);
  if (!send_encrypted(s)) return -1;
  size_t length = 0;
  for (int i = 0; i < count && length < sizeof batch; i++) {
    size_t room = sizeof batch - length, n = parts[i].iov_len < room ? parts[i].iov_len : room;
    memcpy(batch + length, parts[i].iov_base, n);
    length += n;
  }
  ssize_t taken = tls_result(s->tls, SSL_write(s->tls, batch, length));
  if (taken > 0 && !send_encrypted(s) && errno != EAGAIN) return -1;
  return taken;
}

// Whether all that was given is on its way; else errno says why not.
static bool is_flushed(struct stream *s) {
  return !s->tls || send_encrypted(s);
}
