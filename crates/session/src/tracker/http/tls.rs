//! TLS as it has to be: certificates checked against the roots of the system, and no switch.

use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::{RootCertStore, crypto};
use rustls_platform_verifier::Verifier;

use super::HttpOptions;

/// The configuration, and whether there are roots to check against; without them every
/// certificate is refused.
pub(super) fn config(options: &HttpOptions) -> (ClientConfig, bool) {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions of TLS");
    let (mut config, roots) = match verifier(options, provider) {
        // "Dangerous" is to bring a verifier along. This one is the system's own.
        Ok(verifier) => {
            let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
            (builder.with_no_client_auth(), true)
        }
        Err(_) => {
            let builder = builder.with_root_certificates(RootCertStore::empty());
            (builder.with_no_client_auth(), false)
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (config, roots)
}

#[cfg(not(target_os = "android"))]
fn verifier(
    options: &HttpOptions,
    provider: Arc<crypto::CryptoProvider>,
) -> Result<Arc<Verifier>, rustls::Error> {
    Verifier::new_with_extra_roots(options.roots(), provider).map(Arc::new)
}

#[cfg(target_os = "android")]
fn verifier(
    _: &HttpOptions,
    provider: Arc<crypto::CryptoProvider>,
) -> Result<Arc<Verifier>, rustls::Error> {
    Verifier::new(provider).map(Arc::new)
}
