//! Robots of DingTalk groups: <https://open.dingtalk.com/document/robots/custom-robot-access>.

use std::time::Duration;

use serde_json::json;

use super::courier::{Couriers, DeliverError};
use super::markdown::{lines, plain, within};
use super::request::{send, told};
use super::sign;
use super::wecom::Answer;
use crate::notify::channel::RobotSettings;
use crate::notify::outbox::Outgoing;

/// Most bytes of a message.
const BYTES: usize = 18_000;
/// After more than 20 messages in a minute a robot takes none for ten.
const TOO_FAST: [i64; 2] = [130_101, 410_100];
const PAUSE: Duration = Duration::from_secs(600);
/// The system is busy.
const BUSY: i64 = -1;

/// The signature that goes with a time in milliseconds.
pub(super) fn signature(secret: &str, time_ms: i64) -> String {
    sign::base64(secret.as_bytes(), format!("{time_ms}\n{secret}").as_bytes())
}

pub(super) async fn deliver(
    couriers: &Couriers,
    settings: &RobotSettings,
    message: &Outgoing,
    now: i64,
) -> Result<(), DeliverError> {
    let mut url = couriers.address(&settings.url)?;
    if let Some(name) = &settings.sign_secret {
        let secret = couriers.secrets.reveal(name)?;
        url.query_pairs_mut().append_pair("timestamp", &now.to_string()).append_pair("sign", &signature(&secret, now));
    }
    let mut all = vec![format!("#### {}", plain(&message.subject))];
    all.extend(lines(&message.text));
    let body = json!({
        "msgtype": "markdown",
        // Two line ends make one there.
        "markdown": { "title": message.subject, "text": within(&all, "\n\n", BYTES) },
    });
    let text = send(couriers.http.post(url).json(&body)).await?;
    let answer: Answer = serde_json::from_str(&text)
        .map_err(|_| DeliverError::later(format!("the answer is none of a robot: {}", told(&text))))?;
    let problem = format!("the robot answered {}: {}", answer.errcode, told(&answer.errmsg));
    match answer.errcode {
        0 => Ok(()),
        code if TOO_FAST.contains(&code) => Err(DeliverError::Later { problem, after: Some(PAUSE) }),
        BUSY => Err(DeliverError::later(problem)),
        _ => Err(DeliverError::Refused(problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_pythons_hmac_makes() {
        // base64.b64encode(hmac.new(secret, f"{time}\n{secret}".encode(), sha256).digest()), as the vendor's example
        // does it.
        assert_eq!(signature("this is secret", 1_577_262_236_757), "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=");
    }
}
