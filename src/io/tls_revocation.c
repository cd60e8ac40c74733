/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Has a certificate been revoked since its connection was made?  A reload asks
 * this of every running session. */
#include "io/tls_private.h"

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

bool tls_peer_is_revoked(const struct tls *tls, const struct tls_context *context)
{
	if (!context->has_crl)
		return false;
	WOLFSSL_X509 *peer = wolfSSL_get_peer_certificate(tls->wolf);
	if (!peer)
		return false; /* a resumed session, or a client without one */
	int length = 0;
	const unsigned char *der = wolfSSL_X509_get_der(peer, &length);
	WOLFSSL_CERT_MANAGER *manager = wolfSSL_CTX_GetCertManager(context->wolf);
	bool revoked = der && manager &&
		       wolfSSL_CertManagerCheckCRL(manager, (unsigned char *)(uintptr_t)der,
			       length) == CRL_CERT_REVOKED;
	wolfSSL_X509_free(peer);
	return revoked;
}
