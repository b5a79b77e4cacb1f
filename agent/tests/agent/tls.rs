//! Which certificates are accepted, and what is said about others.

use std::path::PathBuf;
use std::sync::Arc;

use kouan_agent::config::CollectorConfig;
use kouan_agent::uplink::{Client, Trust, UplinkError};
use kouan_protocol::Fingerprint;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, IsCa, KeyPair, date_time_ymd,
    generate_simple_self_signed,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{ClientHello, ResolvesServerCert};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::uplink::collector_config;

/// Shows a certificate, whether it has the key to it or not.
#[derive(Debug)]
struct Shows(Arc<rustls::sign::CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A server with that certificate and key that answers every request with 200. Returns its port.
async fn server(certificate: &rcgen::Certificate, key: &KeyPair) -> u16 {
    let provider = rustls::crypto::ring::default_provider();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = rustls::sign::CertifiedKey::new(vec![certificate.der().clone()], key);
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shows(Arc::new(shown))));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    port
}

async fn greet(port: u16, trust: Trust) -> Result<(), UplinkError> {
    let url = format!("https://localhost:{port}");
    let config = CollectorConfig { trust: Some(trust), ..collector_config(&url) };
    Client::new(&config)?.greet().await
}

fn self_signed() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
}

/// What is said when the certificate is not accepted.
async fn refused(port: u16, trust: Trust) -> String {
    match greet(port, trust).await {
        Err(error @ UplinkError::Certificate { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_pin_accepts_one_certificate_and_names_any_other() {
    let (ours, other) = (self_signed(), self_signed());
    let pin = Fingerprint::of(ours.cert.der());
    let port = server(&ours.cert, &ours.signing_key).await;
    greet(port, Trust::Pin(pin)).await.unwrap();
    let port = server(&other.cert, &other.signing_key).await;
    let said = refused(port, Trust::Pin(pin)).await;
    let came = Fingerprint::of(other.cert.der()).to_string();
    assert!(
        said.contains(&format!("expected {pin}")) && said.contains(&came) && said.contains("not the pinned"),
        "{said}"
    );
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_proves_nothing() {
    let (ours, other) = (self_signed(), self_signed());
    let port = server(&ours.cert, &other.signing_key).await;
    let refused = greet(port, Trust::Pin(Fingerprint::of(ours.cert.der()))).await.unwrap_err().to_string();
    assert!(refused.to_lowercase().contains("signature"), "{refused}");
}

struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server of that name with a certificate that ends in that year.
    async fn server(&self, name: &str, ends: i32) -> u16 {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(ends, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        server(&certificate, &key).await
    }
}

#[tokio::test]
async fn an_authority_vouches_for_name_and_time() {
    let (ours, other) = (Authority::new(), Authority::new());
    let trust = || Trust::Authorities(ours.file());
    greet(ours.server("localhost", 2200).await, trust()).await.unwrap();
    let cases = [
        (ours.server("localhost", 2020).await, "expired"),
        (ours.server("elsewhere.example", 2200).await, "elsewhere.example"),
        (other.server("localhost", 2200).await, "nobody who is trusted"),
    ];
    for (port, why) in cases {
        let said = refused(port, trust()).await;
        assert!(said.contains(why) && said.contains("ca.pem") && said.contains("came sha256:"), "{why}: {said}");
    }
}

#[tokio::test]
async fn a_file_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.pem");
    std::fs::write(&file, "").unwrap();
    let refused = greet(1, Trust::Authorities(file)).await.unwrap_err().to_string();
    assert!(refused.contains("empty.pem holds no certificate"), "{refused}");
}
