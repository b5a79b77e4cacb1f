//! Robots of WeCom groups: <https://developer.work.weixin.qq.com/document/path/99110>.

use serde::Deserialize;
use serde_json::json;

use super::courier::{Couriers, DeliverError};
use super::markdown::{lines, plain, within};
use super::request::{send, told};
use crate::notify::channel::RobotSettings;
use crate::notify::outbox::Outgoing;

/// Most bytes of a message; beyond that the answer is 40058.
const BYTES: usize = 4096;
/// Codes that pass: the system is busy; more than 20 messages in a minute.
const PASSING: [i64; 2] = [-1, 45009];

/// The answer; the status is 200 also when the message was not taken.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) errcode: i64,
    #[serde(default)]
    pub(super) errmsg: String,
}

pub(super) async fn deliver(
    couriers: &Couriers,
    settings: &RobotSettings,
    message: &Outgoing,
) -> Result<(), DeliverError> {
    let url = couriers.address(&settings.url)?;
    let mut all = vec![format!("**{}**", plain(&message.subject))];
    all.extend(lines(&message.text));
    let body = json!({ "msgtype": "markdown", "markdown": { "content": within(&all, "\n", BYTES) } });
    let text = send(couriers.http.post(url).json(&body)).await?;
    let answer: Answer = serde_json::from_str(&text)
        .map_err(|_| DeliverError::later(format!("the answer is none of a robot: {}", told(&text))))?;
    if answer.errcode == 0 {
        return Ok(());
    }
    let problem = format!("the robot answered {}: {}", answer.errcode, told(&answer.errmsg));
    Err(if PASSING.contains(&answer.errcode) { DeliverError::later(problem) } else { DeliverError::Refused(problem) })
}
