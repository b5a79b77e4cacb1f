//! One MQTT session. The only file that knows the MQTT library.
//!
//! A connection that fails is thrown away with everything that was in flight, and a new one begins with empty hands:
//! the library never publishes a message again after a reconnect. The broker may still keep what others publish for us
//! meanwhile (`clean_session = false`).

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use kouan_settings::{Bilingual, Translate, both};
use rumqttc::{
    AckMode, AsyncClient, Event, EventLoop, LastWill, MqttOptions, NetworkOptions, Packet, Publish, PublishOptions,
    QoS, SubscribeReasonCode,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// How to reach a broker and who to be there.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    /// Host name or address.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// The name under which the broker knows us; it throws out an older session of the same name.
    pub(crate) client_id: String,
    /// User name and password.
    pub(crate) login: Option<(String, SecretString)>,
    /// A sign of life at least this often.
    pub(crate) keep_alive: Duration,
    /// Whether the broker forgets us when we go.
    pub(crate) clean_session: bool,
    /// What the broker publishes when we are lost.
    pub(crate) last_will: Option<Message>,
}

/// A message, in or out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where.
    pub(crate) topic: String,
    /// What.
    pub(crate) payload: Bytes,
    /// Kept by the broker for later subscribers; of a received message: it was kept, and nobody knows since when.
    pub(crate) retained: bool,
}

/// What brokers do for a message when somebody is away (MQTT 3.1.1, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Never twice, and not at all to somebody who is away.
    AtMostOnce,
    /// Again until it is acknowledged, also later.
    AtLeastOnce,
}

/// A received message. The broker sends it again to a kept session until it is acknowledged.
#[derive(Debug)]
pub(crate) struct Received {
    /// The message.
    pub(crate) message: Message,
    /// The broker may have sent it before.
    pub(crate) again: bool,
    raw: Publish,
}

/// An open, subscribed session.
#[derive(Debug)]
pub(crate) struct Connection {
    client: AsyncClient,
    incoming: mpsc::Receiver<Result<Received, MqttError>>,
    resumed: bool,
    task: AbortHandle,
}

/// The session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MqttError {
    #[error("connect to {broker} failed: {cause}")]
    Connect { broker: String, cause: Box<rumqttc::ConnectionError> },
    #[error("the broker {broker} did not answer within {} s", CONNECT_WITHIN.as_secs())]
    ConnectTimeout { broker: String },
    #[error("the broker {broker} does not let this client subscribe to {topic}")]
    NotAllowed { broker: String, topic: String },
    #[error("the connection to {broker} was lost: {cause}")]
    Lost { broker: String, cause: Box<rumqttc::ConnectionError> },
    #[error("the session ended")]
    Ended,
    #[error("the settings cannot be used: {0}")]
    Settings(Bilingual),
}

impl Translate for MqttError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::Connect { broker, cause } => {
                let cause = of_client(cause);
                both!("connect to {broker} failed: {cause}", "连接 {broker} 失败：{cause}"; cause)
            }
            Self::ConnectTimeout { broker } => both!(
                "the broker {broker} did not answer within {within} s",
                "消息服务器 {broker} 在 {within} 秒内没有应答",
                within = CONNECT_WITHIN.as_secs()
            ),
            Self::NotAllowed { broker, topic } => both!(
                "the broker {broker} does not let this client subscribe to {topic}",
                "消息服务器 {broker} 不允许订阅 {topic}"
            ),
            Self::Lost { broker, cause } => {
                let cause = of_client(cause);
                both!("the connection to {broker} was lost: {cause}", "与 {broker} 的连接断开：{cause}"; cause)
            }
            Self::Ended => both!("the session ended", "会话已结束"),
            Self::Settings(why) => both!("the settings cannot be used: {why}", "配置不能用：{why}"; why),
        }
    }
}

fn of_client(error: &rumqttc::ConnectionError) -> Bilingual {
    match error {
        rumqttc::ConnectionError::Io(cause) => both!("{error}", "{chinese}", chinese = cause.translate().chinese),
        rumqttc::ConnectionError::ConnectionRefused(code) => {
            Bilingual::new(error.to_string(), format!("服务器拒绝登录（{code:?}）"))
        }
        other => Bilingual::verbatim(other),
    }
}

impl MqttError {
    /// A code for a device's health.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Connect { cause, .. } if matches!(**cause, rumqttc::ConnectionError::ConnectionRefused(_)) => {
                "login-refused"
            }
            Self::NotAllowed { .. } => "not-allowed",
            _ => "link-closed",
        }
    }
}

/// Messages that wait between the socket and the driver. When it is full the socket is not read.
const WAITING_MESSAGES: usize = 64;
/// A packet beyond this breaks the connection; messages far below it are refused one by one.
const PACKET_BYTES: usize = 1024 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

impl Connection {
    /// Connects, subscribes to `topics` and waits until the broker has granted all of them.
    pub(crate) async fn open(settings: &ConnectionSettings, topics: &[(String, Delivery)]) -> Result<Self, MqttError> {
        let broker = settings.broker();
        let (client, events) = AsyncClient::builder(settings.options()?)
            // A bound could block: acknowledgements wait for the socket, which waits for somebody to take messages.
            // There are at most as many as messages came, and commands are few.
            .unbounded()
            .try_build()
            .map_err(|error| MqttError::Settings(Bilingual::verbatim(error)))?;
        let (connected_tx, connected) = tokio::sync::oneshot::channel();
        let (tx, incoming) = mpsc::channel(WAITING_MESSAGES);
        let task = tokio::spawn(pump(events, broker.clone(), connected_tx, tx)).abort_handle();
        let mut connection = Self { client, incoming, resumed: false, task };
        let open = async {
            let Ok(resumed) = connected.await else {
                return Err(match connection.incoming.recv().await {
                    Some(Err(error)) => error,
                    _ => MqttError::Ended,
                });
            };
            connection.resumed = resumed;
            connection.subscribe(&broker, topics).await
        };
        match tokio::time::timeout(CONNECT_WITHIN, open).await {
            Ok(opened) => opened.map(|()| connection),
            Err(_) => Err(MqttError::ConnectTimeout { broker }),
        }
    }

    async fn subscribe(&self, broker: &str, topics: &[(String, Delivery)]) -> Result<(), MqttError> {
        if topics.is_empty() {
            return Ok(());
        }
        let filters =
            topics.iter().map(|(topic, delivery)| rumqttc::SubscribeFilter::new(topic.clone(), delivery.qos()));
        let asked = self.client.subscribe_many_tracked(filters).await;
        let notice = asked.map_err(|error| MqttError::Settings(Bilingual::verbatim(error)))?;
        let granted = notice.wait_async().await.map_err(|_| MqttError::Ended)?;
        for ((topic, _), code) in topics.iter().zip(&granted.return_codes) {
            if *code == SubscribeReasonCode::Failure {
                return Err(MqttError::NotAllowed { broker: broker.to_owned(), topic: topic.clone() });
            }
        }
        Ok(())
    }

    /// Whether the broker remembers what it did not get acknowledged in an earlier connection.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The next message. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Received, MqttError> {
        self.incoming.recv().await.unwrap_or(Err(MqttError::Ended))
    }

    /// Tells the broker that it may forget a message.
    pub(crate) async fn acknowledge(&self, received: &Received) -> Result<(), MqttError> {
        self.client.ack(&received.raw).await.map_err(|_| MqttError::Ended)
    }

    /// Hands a message to the session. Whether the broker has it is not known.
    pub(crate) async fn publish(&self, message: Message, delivery: Delivery) -> Result<(), MqttError> {
        let options = PublishOptions::new(delivery.qos()).retain(message.retained);
        self.client.publish(message.topic, message.payload, options).await.map_err(|_| MqttError::Ended)
    }

    /// Says good-bye, so that the broker does not publish the last will.
    pub(crate) async fn close(mut self) {
        if self.client.disconnect().await.is_ok() {
            let drained = async { while self.incoming.recv().await.is_some() {} };
            // A broker that does not let us go is left all the same.
            let _ = tokio::time::timeout(Duration::from_millis(500), drained).await;
        }
    }
}

impl Delivery {
    fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce => QoS::AtLeastOnce,
        }
    }
}

impl Received {
    /// Whether the broker keeps it until it is acknowledged.
    pub(crate) fn wants_acknowledgement(&self) -> bool {
        self.raw.qos != QoS::AtMostOnce
    }

    /// The same for a message and for the same one sent again.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.raw.pkid, &self.message.topic, &self.message.payload).hash(&mut hasher);
        hasher.finish()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Moves the session along until it fails, and never connects a second time.
async fn pump(
    mut events: EventLoop,
    broker: String,
    connected: tokio::sync::oneshot::Sender<bool>,
    incoming: mpsc::Sender<Result<Received, MqttError>>,
) {
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_WITHIN.as_secs()).set_tcp_nodelay(true);
    events.set_network_options(network);
    let mut connected = Some(connected);
    loop {
        let said = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                // Nobody waits any more when the opening was given up.
                let _ = connected.take().map(|connected| connected.send(answer.session_present));
                continue;
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => Ok(received(publish)),
            Ok(_) => continue,
            Err(cause) => {
                let (broker, cause) = (broker.clone(), Box::new(cause));
                Err(match connected {
                    Some(_) => MqttError::Connect { broker, cause },
                    None => MqttError::Lost { broker, cause },
                })
            }
        };
        let failed = said.is_err();
        if incoming.send(said).await.is_err() || failed {
            return;
        }
    }
}

fn received(publish: Publish) -> Received {
    let message = Message {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.clone(),
        retained: publish.retain,
    };
    Received { message, again: publish.dup, raw: publish }
}

impl ConnectionSettings {
    /// `host:port`, for messages.
    pub(crate) fn broker(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn options(&self) -> Result<MqttOptions, MqttError> {
        let mut options = MqttOptions::new(self.client_id.clone(), (self.host.clone(), self.port));
        options.set_keep_alive(u16::try_from(self.keep_alive.as_secs()).unwrap_or(u16::MAX));
        options.set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
        options.set_ack_mode(AckMode::Manual);
        options
            .try_set_clean_session(self.clean_session)
            .map_err(|error| MqttError::Settings(Bilingual::verbatim(error)))?;
        if let Some((user, password)) = &self.login {
            options.set_credentials(user.clone(), password.expose_secret().to_owned().into_bytes());
        }
        if let Some(will) = &self.last_will {
            let payload = will.payload.to_vec();
            options.set_last_will(LastWill::new(&will.topic, payload, QoS::AtLeastOnce, will.retained));
        }
        Ok(options)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.topic, self.payload.len())
    }
}
