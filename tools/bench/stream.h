// A connection's bytes, plain or through TLS 1.3; the server's certificate isn't looked at.
// Included by nfsbench.c alone.
#pragma once
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "nfs41.h"

// What one TLS record carries (RFC 8446 §5.1).
enum { RECORD_BYTES = 16384 };

struct stream { int socket; SSL *tls; };

static SSL *start_tls(int socket) {
  static SSL_CTX *context;
  if (!context) {
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Many records with one system call.
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 16 * RECORD_BYTES);
  }
  SSL *tls = SSL_new(context);
  SSL_set_fd(tls, socket);
  if (SSL_connect(tls) != 1) die("TLS: %s", ERR_error_string(ERR_get_error(), NULL));
  return tls;
}

static ssize_t tls_result(SSL *tls, int result) {
  if (result > 0) return result;
  int error = SSL_get_error(tls, result);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
    die("TLS: %s", ERR_error_string(ERR_get_error(), NULL));
  errno = EAGAIN;
  return -1;
}

static ssize_t receive_bytes(struct stream s, void *bytes, size_t n) {
  return s.tls ? tls_result(s.tls, SSL_read(s.tls, bytes, n)) : recv(s.socket, bytes, n, 0);
}

// As writev(2). With TLS what makes up one record; when that has to be tried again, the parts must
// begin with the same bytes.
static ssize_t send_parts(struct stream s, const struct iovec *parts, int count) {
  static uint8_t record[RECORD_BYTES];
  if (!s.tls) return writev(s.socket, parts, count);
  size_t length = 0;
  for (int i = 0; i < count && length < sizeof record; i++) {
    size_t room = sizeof record - length, n = parts[i].iov_len < room ? parts[i].iov_len : room;
    memcpy(record + length, parts[i].iov_base, n);
    length += n;
  }
  return tls_result(s.tls, SSL_write(s.tls, record, length));
}
