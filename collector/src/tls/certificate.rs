//! The certificate that is shown, and its key.
//!
//! A self-signed one is made once and then kept: agents that pinned it must find the same one after every start. It
//! belongs to the data folder and to its backup.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use kouan_protocol::Fingerprint;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::Tls;
use crate::store::DataFolder;

/// How often the files are looked at for a renewed certificate.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or folder could not be used.
    #[error("{operation} {path} failed: {source}")]
    File {
        /// What was being done.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no {what} (PEM): {problem}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("{certificate} and {key} cannot be used together: {source}")]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// A certificate could not be made.
    #[error("making a certificate failed: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library refused.
    #[error("preparing TLS failed: {0}")]
    Tls(#[from] rustls::Error),
}

/// A certificate with its key, from two files that may be renewed.
#[derive(Debug, Clone)]
pub struct Certificate {
    files: Files,
    shown: Arc<Shown>,
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What handshakes are answered with.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

impl Shown {
    fn now(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Certificate {
    /// Reads the certificate that the settings name, or the one of the data folder, which is made if there is none.
    ///
    /// # Errors
    /// When a file cannot be read or written, or holds something else.
    pub fn open(settings: &Tls, folder: &DataFolder) -> Result<Self, TlsError> {
        let files = match settings {
            Tls::Files { certificate, key } => Files { certificate: certificate.clone(), key: key.clone() },
            Tls::SelfSigned { names } => self_signed(folder, names)?,
        };
        let shown = Shown(RwLock::new(Arc::new(files.read()?)));
        Ok(Self { files, shown: Arc::new(shown) })
    }

    /// The fingerprint, which agents pin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.shown.now().cert.first().map_or_else(|| Fingerprint::of(&[]), |leaf| Fingerprint::of(leaf))
    }

    /// Settings of a server that shows it.
    ///
    /// # Errors
    /// When the TLS library refuses.
    pub fn server(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let shown: Arc<dyn ResolvesServerCert> = Arc::clone(&self.shown) as _;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        server.alpn_protocols = vec![super::listener::HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(server)
    }

    /// Takes over renewed files until `shutdown`. Files that cannot be used change nothing.
    pub async fn follow(self, shutdown: CancellationToken) {
        let mut known = self.files.changed();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = shutdown.cancelled() => return,
            }
            let found = self.files.changed();
            if found != known {
                known = found;
                self.renew();
            }
        }
    }

    fn renew(&self) {
        match self.files.read() {
            Ok(renewed) => {
                *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
                info!(fingerprint = %self.fingerprint(), "Another certificate is shown now.");
            }
            Err(error) => error!(%error, "The changed certificate cannot be used; the earlier one stays."),
        }
    }
}

impl Files {
    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let content = |path: &Path, what| {
            let path = path.to_owned();
            move |error: rustls::pki_types::pem::Error| TlsError::Content { path, what, problem: error.to_string() }
        };
        let chain = CertificateDer::pem_slice_iter(&read(&self.certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(content(&self.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(content(&self.key, "private key"))?;
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain, key, &provider).map_err(|source| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }

    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(file("reading", path))
}

fn file(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::File { operation, path, source }
}

/// The certificate of the data folder. The folder appears whole or not at all, also when the power fails: agents must
/// never meet a certificate that is gone after the next start.
fn self_signed(folder: &DataFolder, names: &[String]) -> Result<Files, TlsError> {
    let home = folder.tls();
    let files = Files { certificate: home.join("certificate.pem"), key: home.join("key.pem") };
    if home.exists() {
        return Ok(files);
    }
    let made = rcgen::generate_simple_self_signed(names_or_own(names))?;
    let draft = folder.path().join("tls.new");
    match std::fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file("removing", &draft)(error)),
        _ => {}
    }
    std::fs::DirBuilder::new().mode(0o700).create(&draft).map_err(file("making", &draft))?;
    for (name, text) in [("certificate.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
        let path = draft.join(name);
        let write = || {
            let mut new = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            new.write_all(text.as_bytes())?;
            new.sync_all()
        };
        write().map_err(file("writing", &path))?;
    }
    let sync =
        |path: &Path| std::fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(file("syncing", path));
    sync(&draft)?;
    std::fs::rename(&draft, &home).map_err(file("putting in place", &home))?;
    sync(folder.path())?;
    info!(folder = %home.display(), "A self-signed certificate was made.");
    Ok(files)
}

/// Names for those who check them; a pinned certificate needs none.
fn names_or_own(names: &[String]) -> Vec<String> {
    if !names.is_empty() {
        return names.to_vec();
    }
    let mut own = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    own.extend(own_name());
    own
}

/// The name of this machine, if it is one that can stand in a certificate.
pub(crate) fn own_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-');
    (!name.is_empty() && name.chars().all(fits) && name != "localhost").then_some(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        let settings = Tls::SelfSigned { names: Vec::new() };
        // What an earlier start left when the power failed.
        std::fs::create_dir(folder.path().join("tls.new")).unwrap();
        std::fs::write(folder.path().join("tls.new/key.pem"), "half").unwrap();
        let first = Certificate::open(&settings, &data).unwrap().fingerprint();
        assert_eq!(Certificate::open(&settings, &data).unwrap().fingerprint(), first);
        let mode = std::fs::metadata(data.tls().join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let settings = Tls::SelfSigned { names: vec!["collector.example".to_owned()] };
        for folder in [&one, &other] {
            Certificate::open(&settings, &DataFolder::new(folder.path())).unwrap();
        }
        let files = |certificate: &str, key: &str| Tls::Files {
            certificate: one.path().join(certificate),
            key: other.path().join(key),
        };
        let data = DataFolder::new(one.path());
        let problem = |settings: &Tls| Certificate::open(settings, &data).unwrap_err().to_string();
        assert!(problem(&files("tls/certificate.pem", "tls/key.pem")).contains("cannot be used together"));
        assert!(problem(&files("tls/missing.pem", "tls/key.pem")).contains("missing.pem"));
        assert!(problem(&files("tls/certificate.pem", "tls/certificate.pem")).contains("no private key"));
    }

    #[test]
    fn renewed_files_are_taken_over_and_broken_ones_are_not() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let settings = Tls::SelfSigned { names: Vec::new() };
        let (data, renewal) = (DataFolder::new(folder.path()), DataFolder::new(other.path()));
        let certificate = Certificate::open(&settings, &data).unwrap();
        let renewed = Certificate::open(&settings, &renewal).unwrap().fingerprint();
        std::fs::write(data.tls().join("certificate.pem"), "broken").unwrap();
        let before = certificate.fingerprint();
        certificate.renew();
        assert_eq!(certificate.fingerprint(), before);
        for name in ["certificate.pem", "key.pem"] {
            std::fs::copy(renewal.tls().join(name), data.tls().join(name)).unwrap();
        }
        certificate.renew();
        assert_eq!(certificate.fingerprint(), renewed);
    }
}
