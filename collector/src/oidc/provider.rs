//! Talking to the identity provider.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use kouan_protocol::BootTime;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields,
    IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse,
    StandardTokenResponse, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::OidcSettings;
use super::pending::{Pending, Secrets};
use crate::auth::External;

/// How long the provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const ANSWER_BYTES: usize = 1 << 20;

/// Claims that no standard names, such as groups.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct MoreClaims {
    #[serde(flatten)]
    claims: BTreeMap<String, Value>,
}

impl AdditionalClaims for MoreClaims {}

type TokenFields = IdTokenFields<
    MoreClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type ProviderClient = Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<TokenFields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// A file of the settings.
    #[error("could not read {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something about the settings that only the provider's library finds.
    #[error("the settings of the identity provider: {0}")]
    Settings(String),
    /// The provider could not be asked.
    #[error("could not {operation} the identity provider: {problem}")]
    Provider {
        /// What was being done.
        operation: &'static str,
        /// What went wrong.
        problem: String,
    },
    /// The answer proves nothing.
    #[error("the identity provider's answer was not accepted: {0}")]
    Untrue(String),
    /// The answer belongs to no question.
    #[error("this sign-in was not begun here, or it took too long; begin again")]
    Unasked,
    /// Nothing that the provider says brings a role.
    #[error("the identity provider knows you, but none of your groups has a role here")]
    NoRole,
}

/// Where somebody goes to sign in.
#[derive(Debug)]
pub struct Start {
    /// The provider's page.
    pub url: String,
    /// What the browser keeps until it comes back.
    pub state: String,
}

/// The identity provider.
#[derive(Debug)]
pub struct Provider {
    settings: OidcSettings,
    http: Line,
    pending: Pending,
}

impl Provider {
    /// The provider of the settings. It is asked for the first time when somebody signs in.
    ///
    /// # Errors
    /// When the certificate of the settings does not read.
    pub fn new(settings: OidcSettings) -> Result<Self, OidcError> {
        // What the provider answers leads nowhere else (OAuth 2.0 Security Best Current Practice, 4.12).
        let mut http = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        let wrong = |error: reqwest::Error| OidcError::Settings(error.to_string());
        if let Some(ca) = &settings.ca {
            let pem = std::fs::read(ca).map_err(|source| OidcError::File { path: ca.display().to_string(), source })?;
            http = http.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).map_err(wrong)?);
        }
        Ok(Self { settings, http: Line(http.build().map_err(wrong)?), pending: Pending::default() })
    }

    /// Somebody wants to sign in.
    ///
    /// # Errors
    /// When the provider cannot be asked where.
    pub async fn start(&self, now: BootTime) -> Result<Start, OidcError> {
        let client = self.client().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request =
            client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random);
        for scope in &self.settings.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let secrets = Secrets { nonce: nonce.secret().clone(), verifier: verifier.into_secret() };
        self.pending.put(state.secret().clone(), secrets, now);
        Ok(Start { url: url.to_string(), state: state.into_secret() })
    }

    /// Somebody comes back with a code.
    ///
    /// # Errors
    /// When the answer belongs to no question, proves nothing, or brings no role.
    pub async fn finish(&self, state: &str, code: String, now: BootTime) -> Result<External, OidcError> {
        let secrets = self.pending.take(state, now).ok_or(OidcError::Unasked)?;
        let client = self.client().await?;
        let request = client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|error| OidcError::Settings(error.to_string()))?;
        let tokens = request
            .set_pkce_verifier(PkceCodeVerifier::new(secrets.verifier))
            .request_async(&self.http)
            .await
            .map_err(|error| OidcError::Provider { operation: "exchange a code at", problem: told(&error) })?;
        let token = tokens.id_token().ok_or_else(|| OidcError::Untrue("it has no ID token".to_owned()))?;
        // Signature, issuer, audience, life and nonce.
        let claims = token
            .claims(&client.id_token_verifier(), &Nonce::new(secrets.nonce))
            .map_err(|error| OidcError::Untrue(told(&error)))?;
        let grants = self.settings.grants(claims.additional_claims().claims.get(&self.settings.groups_claim));
        if grants.is_empty() {
            return Err(OidcError::NoRole);
        }
        let subject = claims.subject().as_str();
        let name = claims.preferred_username().map(|name| name.as_str().to_owned());
        let name = name.or_else(|| claims.email().map(|email| email.as_str().to_owned()));
        let name = name.unwrap_or_else(|| subject.to_owned());
        let full = claims.name().and_then(|name| name.get(None)).map(|name| name.as_str().to_owned());
        let subject = format!("{} {subject}", self.settings.issuer);
        Ok(External { subject, display_name: full.unwrap_or_else(|| name.clone()), name, grants })
    }

    /// Asks the provider for its addresses and keys; each time, because keys are renewed and sign-ins are few.
    async fn client(&self) -> Result<ProviderClient, OidcError> {
        let settings = |error: openidconnect::url::ParseError| OidcError::Settings(error.to_string());
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(settings)?;
        let redirect = RedirectUrl::new(self.settings.redirect.clone()).map_err(settings)?;
        let secret = match &self.settings.client_secret_file {
            None => None,
            Some(path) => {
                let read = tokio::fs::read_to_string(path).await;
                let secret = read.map_err(|source| OidcError::File { path: path.display().to_string(), source })?;
                Some(ClientSecret::new(secret.trim().to_owned()))
            }
        };
        let metadata = CoreProviderMetadata::discover_async(issuer, &self.http)
            .await
            .map_err(|error| OidcError::Provider { operation: "ask", problem: told(&error) })?;
        let client =
            ProviderClient::from_provider_metadata(metadata, ClientId::new(self.settings.client_id.clone()), secret);
        Ok(client.set_redirect_uri(redirect))
    }
}

/// The way to the provider, with a bound on what it answers.
#[derive(Debug)]
struct Line(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Line {
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, std::io::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let request = reqwest::Request::try_from(request).map_err(std::io::Error::other)?;
            let mut answer = self.0.execute(request).await.map_err(std::io::Error::other)?;
            let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(std::io::Error::other)? {
                if body.len() + piece.len() > ANSWER_BYTES {
                    return Err(std::io::Error::other(format!("the answer has more than {ANSWER_BYTES} bytes")));
                }
                body.extend_from_slice(&piece);
            }
            let mut response = HttpResponse::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        })
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
