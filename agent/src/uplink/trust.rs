//! Which certificate the collector must show, and what is said when it shows another.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::Fingerprint;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Which certificate is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// One that these certificates (PEM) signed, or one of them, valid now and for the name in the address.
    Authorities(PathBuf),
    /// Exactly this one, whatever its names and dates.
    Pin(Fingerprint),
}

/// The TLS side of the connection could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file could not be read.
    #[error("reading {path} failed: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file holds no certificate that can be used.
    #[error("{path} holds no certificate (PEM) that could be trusted: {detail}")]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The TLS library refused.
    #[error("preparing TLS failed: {0}")]
    Tls(#[from] rustls::Error),
}

/// The collector showed a certificate that is not accepted. Nothing was sent to it, the token least of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongCertificate {
    /// What was expected, for a person.
    pub expected: String,
    /// What came.
    pub presented: Fingerprint,
    /// Why it is not accepted.
    pub why: String,
}

impl fmt::Display for WrongCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, presented, why } = self;
        write!(f, "the collector showed the wrong certificate: expected {expected}; came {presented}: {why}")
    }
}

impl std::error::Error for WrongCertificate {}

/// The wrong certificate of the last handshake that failed over it.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWrong(Arc<Mutex<Option<WrongCertificate>>>);

impl LastWrong {
    pub(super) fn take(&self) -> Option<WrongCertificate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, wrong: WrongCertificate) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(wrong);
    }
}

/// TLS settings that accept what `trust` says, and nothing if it says nothing.
pub(super) fn tls(trust: Option<&Trust>, wrong: &LastWrong) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut config = match trust {
        None => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        Some(trust) => {
            let check = Check::new(trust, &provider)?;
            let verifier = Verifier { check, provider, wrong: wrong.clone() };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
enum Check {
    Authorities { verifier: Arc<WebPkiServerVerifier>, path: PathBuf },
    Pin(Fingerprint),
}

impl Check {
    fn new(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let path = match trust {
            Trust::Pin(pin) => return Ok(Self::Pin(*pin)),
            Trust::Authorities(path) => path,
        };
        let detail = |detail: String| TrustError::Certificates { path: path.clone(), detail };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| detail(error.to_string()))?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| detail(error.to_string()))?;
        Ok(Self::Authorities { verifier, path: path.clone() })
    }
}

/// The certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let pem = std::fs::read(path).map_err(|cause| TrustError::File { path: path.to_owned(), cause })?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TrustError::Certificates { path: path.to_owned(), detail: error.to_string() })
}

/// Checks the certificate, and remembers a wrong one; the proof that the other side has its key is checked always.
#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
    wrong: LastWrong,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let presented = Fingerprint::of(end_entity);
        let (error, expected) = match &self.check {
            Check::Pin(pin) if *pin == presented => return Ok(ServerCertVerified::assertion()),
            Check::Pin(pin) => {
                let error = rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
                (error, pin.to_string())
            }
            Check::Authorities { verifier, path } => {
                match verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                    Ok(verified) => return Ok(verified),
                    Err(error) => {
                        let expected = format!(
                            "one for {} that {} vouches for and that is valid today",
                            server_name.to_str(),
                            path.display()
                        );
                        (error, expected)
                    }
                }
            }
        };
        self.wrong.set(WrongCertificate { expected, presented, why: reason(&error) });
        Err(error)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            "it is not the pinned one".to_owned()
        }
        // The second is said when the names of the authorities are the same and their keys are not.
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "nobody who is trusted signed it".to_owned()
        }
        other => other.to_string(),
    }
}
