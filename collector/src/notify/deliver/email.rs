//! Mail over SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the first byte on (RFC 8314).

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::courier::{ANSWER, Couriers, DeliverError};
use super::guard::lookup;
use super::request::told;
use crate::notify::channel::{EmailSettings, MailTls};
use crate::notify::outbox::Outgoing;

pub(super) async fn deliver(
    couriers: &Couriers,
    settings: &EmailSettings,
    message: &Outgoing,
) -> Result<(), DeliverError> {
    let mail = mail(settings, message)?;
    let port = settings.port.unwrap_or(match settings.tls {
        MailTls::Starttls => 587,
        MailTls::Tls => 465,
        MailTls::None => 25,
    });
    if !couriers.allow_link_local {
        let host = settings.host.trim_matches(['[', ']']);
        lookup(host, port).await.map_err(|error| DeliverError::later(format!("the mail server: {error}")))?;
    }
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
        .port(port)
        .timeout(Some(ANSWER))
        .tls(tls(couriers, settings)?);
    if let (Some(user), Some(name)) = (&settings.username, &settings.password_secret) {
        let password = couriers.secrets.reveal(name)?;
        builder = builder
            .credentials(Credentials::new(user.clone(), password))
            .authentication(vec![Mechanism::Plain, Mechanism::Login]);
    }
    match tokio::time::timeout(2 * ANSWER, builder.build().send(mail)).await {
        Err(_) => Err(DeliverError::later("the mail server took too long")),
        Ok(Ok(_)) => Ok(()),
        // 5yz: it will not take this message from us. A wrong password is 535, and somebody may put it right.
        Ok(Err(error)) if error.is_permanent() && !is_about_us(&error) => {
            Err(DeliverError::Refused(told(&chain(&error))))
        }
        Ok(Err(error)) => Err(DeliverError::later(told(&chain(&error)))),
    }
}

fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| ["530", "534", "535", "538"].contains(&code.to_string().as_str()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

fn tls(couriers: &Couriers, settings: &EmailSettings) -> Result<Tls, DeliverError> {
    if settings.tls == MailTls::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &couriers.ca {
        let certificate =
            Certificate::from_pem(pem).map_err(|error| DeliverError::later(format!("notify.ca: {}", chain(&error))))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters.build().map_err(|error| DeliverError::later(format!("TLS: {}", chain(&error))))?;
    Ok(if settings.tls == MailTls::Tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) })
}

fn mail(settings: &EmailSettings, message: &Outgoing) -> Result<Message, DeliverError> {
    let refused = |what: &str, error: &dyn std::error::Error| DeliverError::Refused(format!("{what}: {error}"));
    let address = |text: &str| text.parse::<Address>().map_err(|error| refused(text, &error));
    let from = address(&settings.from)?;
    let domain = from.domain().to_owned();
    let mut builder = Message::builder()
        .from(Mailbox::new(Some("Kouan".to_owned()), from))
        .subject(&message.subject)
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        .header(ContentType::TEXT_PLAIN);
    for to in message.recipient.split(", ") {
        builder = builder.to(Mailbox::new(None, address(to)?));
    }
    let mut mail = builder.body(message.text.clone()).map_err(|error| refused("the mail", &error))?;
    // RFC 3834: nobody's absence note answers it.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    mail.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
    Ok(mail)
}
