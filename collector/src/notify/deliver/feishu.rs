//! Robots of Feishu groups: <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>.

use serde::Deserialize;
use serde_json::{Value, json};

use super::courier::{Couriers, DeliverError};
use super::markdown::{lines, within};
use super::request::{send, told};
use super::sign;
use crate::notify::channel::RobotSettings;
use crate::notify::outbox::Outgoing;

/// Most bytes of a message's text; a request has at most 20 KB.
const BYTES: usize = 14_000;
/// Codes that pass: more than 100 messages in a minute or 5 in a second; an error of the vendor's own.
const PASSING: [i64; 3] = [11_232, 11_233, 11_247];

#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "StatusCode")]
    code: i64,
    #[serde(default, alias = "StatusMessage")]
    msg: String,
}

/// The signature that goes with a time in seconds: the text is the key, and nothing is signed.
fn signature(secret: &str, time_seconds: i64) -> String {
    sign::base64(format!("{time_seconds}\n{secret}").as_bytes(), b"")
}

pub(super) async fn deliver(
    couriers: &Couriers,
    settings: &RobotSettings,
    message: &Outgoing,
    now: i64,
) -> Result<(), DeliverError> {
    let url = couriers.address(&settings.url)?;
    let colour = match message.kind.as_str() {
        "raise" | "escalate" => "red",
        "clear" => "green",
        "digest" => "orange",
        _ => "blue",
    };
    let text = within(&lines(&message.text), "\n", BYTES);
    let mut body = json!({
        "msg_type": "interactive",
        "card": {
            "header": { "title": { "tag": "plain_text", "content": message.subject }, "template": colour },
            "elements": [{ "tag": "markdown", "content": text }],
        },
    });
    if let Some(name) = &settings.sign_secret {
        let seconds = now / 1_000;
        body["timestamp"] = Value::String(seconds.to_string());
        body["sign"] = Value::String(signature(&couriers.secrets.reveal(name)?, seconds));
    }
    let text = match send(couriers.http.post(url).json(&body)).await {
        Ok(text) => text,
        // Too many requests are a 400 with a code in older answers of the robots.
        Err(DeliverError::Refused(problem)) if PASSING.iter().any(|code| problem.contains(&code.to_string())) => {
            return Err(DeliverError::later(problem));
        }
        Err(error) => return Err(error),
    };
    let answer: Answer = serde_json::from_str(&text)
        .map_err(|_| DeliverError::later(format!("the answer is none of a robot: {}", told(&text))))?;
    if answer.code == 0 {
        return Ok(());
    }
    let problem = format!("the robot answered {}: {}", answer.code, told(&answer.msg));
    Err(if PASSING.contains(&answer.code) { DeliverError::later(problem) } else { DeliverError::Refused(problem) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_pythons_hmac_makes() {
        // base64.b64encode(hmac.new(f"{time}\n{secret}".encode(), digestmod=sha256).digest()), as the vendor's example
        // does it.
        assert_eq!(signature("this is secret", 1_599_360_473), "/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw=");
    }
}
