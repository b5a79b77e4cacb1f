//! Where a link ends, and how it is opened.

use std::fmt;
use std::time::Duration;

use kouan_settings::{Bilingual, Section, Translate, both};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_serial::{DataBits, Parity, SerialPortBuilderExt as _, StopBits};

use super::line::Line;
use super::trace;

/// The far end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A serial port of this machine.
    Serial(SerialSettings),
    /// A TCP server: a device, or a serial server in front of one.
    Tcp {
        /// `host:port`
        address: String,
    },
}

/// How a serial port is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialSettings {
    /// The port, by a name that survives unplugging: `/dev/serial/by-id/…`.
    pub path: String,
    /// Bits per second.
    pub baud: u32,
    /// Bits per character.
    pub data_bits: DataBits,
    /// Parity bit.
    pub parity: Parity,
    /// Stop bits.
    pub stop_bits: StopBits,
}

/// What every link can say, whatever is spoken on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSettings {
    /// Where it ends.
    pub endpoint: Endpoint,
    /// How long opening may take.
    pub connect_timeout: Duration,
    /// After how many polls in a row without a valid answer a device is declared unreachable.
    pub misses: u32,
}

impl LinkSettings {
    /// Settings with the defaults of everything but the endpoint.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connect_timeout: Duration::from_secs(3), misses: 2 }
    }

    /// Reads `serial` or `tcp` with what belongs to it, `connect_timeout` and `misses`.
    pub fn read(link: &mut Section<'_>) -> Option<Self> {
        let endpoint = Endpoint::read(link);
        let [low, high, usual] = [Duration::from_millis(100), Duration::from_secs(60), Duration::from_secs(3)];
        let connect_timeout = link.duration_within("connect_timeout", low..=high, usual);
        let misses = link.integer_or("misses", 1..=10, 2).unsigned_abs() as u32;
        Some(Self { endpoint: endpoint?, connect_timeout, misses })
    }
}

impl Endpoint {
    /// Reads exactly one of `serial` and `tcp`.
    pub fn read(link: &mut Section<'_>) -> Option<Self> {
        let serial = link.has("serial");
        let tcp = link.has("tcp");
        let path = link.string("serial");
        let address = link.string("tcp");
        let settings = if serial || !tcp { Some(SerialSettings::read(link)) } else { None };
        match (serial, tcp) {
            (true, true) => {
                link.wrong(
                    "tcp",
                    both!(
                        "a link ends either at a serial port or at a TCP address; remove one of the two",
                        "一条线路要么接串口，要么接 TCP 地址；请去掉其中一个"
                    ),
                );
                None
            }
            (false, false) => {
                link.wrong(
                    "serial",
                    both!(
                        "this is missing: where the link ends, such as serial = \"/dev/serial/by-id/usb-…\" or \
                         tcp = \"192.168.1.20:502\"",
                        "缺少线路的位置，如 serial = \"/dev/serial/by-id/usb-…\" 或 tcp = \"192.168.1.20:502\""
                    ),
                );
                None
            }
            (true, false) => {
                let (path, settings) = (path?, settings?);
                if !path.starts_with('/') {
                    link.wrong(
                        "serial",
                        both!(
                            "this must be the port's whole path, such as \"/dev/serial/by-id/usb-…\"",
                            "应当是串口的完整路径，如 \"/dev/serial/by-id/usb-…\""
                        ),
                    );
                    return None;
                }
                Some(Self::Serial(SerialSettings { path, ..settings }))
            }
            (false, true) => {
                let address = address?;
                let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
                let port = port.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port != 0);
                if port.is_none() {
                    link.wrong(
                        "tcp",
                        both!(
                            "\"{address}\" must be host:port, such as \"192.168.1.20:502\"",
                            "\"{address}\" 应当是 主机:端口，如 \"192.168.1.20:502\""
                        ),
                    );
                    return None;
                }
                Some(Self::Tcp { address })
            }
        }
    }

    /// The place with its settings: `serial port /dev/ttyUSB0, 9600 8N1`.
    #[must_use]
    pub fn in_full(&self) -> String {
        match self {
            Self::Serial(settings) => format!("{self}, {}", settings.in_short()),
            Self::Tcp { .. } => self.to_string(),
        }
    }

    /// Whether it is a serial port.
    #[must_use]
    pub fn is_serial(&self) -> bool {
        matches!(self, Self::Serial(_))
    }

    /// Opens it, by its name, so that a port that came back under another number is found again.
    ///
    /// # Errors
    /// When that fails or takes longer than `timeout`.
    pub async fn open(&self, timeout: Duration) -> Result<Line, OpenError> {
        let begun = Instant::now();
        let line = self.open_untold(timeout).await?;
        trace::record_opened(&self.in_full(), begun.elapsed());
        Ok(line)
    }

    async fn open_untold(&self, timeout: Duration) -> Result<Line, OpenError> {
        let failed = |cause: std::io::Error| OpenError { endpoint: self.clone(), cause };
        match self {
            Self::Serial(settings) => {
                let port = tokio_serial::new(&settings.path, settings.baud)
                    .data_bits(settings.data_bits)
                    .parity(settings.parity)
                    .stop_bits(settings.stop_bits);
                // The port is taken exclusively (TIOCEXCL and flock), which is tokio-serial's default: two masters
                // on one bus destroy each other's frames.
                let port = port.open_native_async().map_err(|error| failed(error.into()))?;
                Ok(Line::serial(port))
            }
            Self::Tcp { address } => {
                let stream = match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
                    Ok(connected) => connected.map_err(failed)?,
                    Err(_) => {
                        let message = format!("nobody answered within {timeout:?}");
                        return Err(failed(std::io::Error::new(std::io::ErrorKind::TimedOut, message)));
                    }
                };
                stream.set_nodelay(true).map_err(failed)?;
                Ok(Line::tcp(stream))
            }
        }
    }
}

impl SerialSettings {
    /// 9600 baud, 8 data bits, no parity, 1 stop bit.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            baud: 9600,
            data_bits: DataBits::Eight,
            parity: Parity::None,
            stop_bits: StopBits::One,
        }
    }

    /// Speed and format as people write them: `9600 8N1`.
    #[must_use]
    pub fn in_short(&self) -> String {
        let bits = match self.data_bits {
            DataBits::Five => 5,
            DataBits::Six => 6,
            DataBits::Seven => 7,
            DataBits::Eight => 8,
        };
        let parity = match self.parity {
            Parity::None => 'N',
            Parity::Even => 'E',
            Parity::Odd => 'O',
        };
        let stop = if self.stop_bits == StopBits::Two { 2 } else { 1 };
        format!("{} {bits}{parity}{stop}", self.baud)
    }

    fn read(link: &mut Section<'_>) -> Self {
        let usual = Self::new("");
        let data_bits = match link.integer_or("data_bits", 7..=8, 8) {
            7 => DataBits::Seven,
            _ => DataBits::Eight,
        };
        let stop_bits = match link.integer_or("stop_bits", 1..=2, 1) {
            2 => StopBits::Two,
            _ => StopBits::One,
        };
        let parities = [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];
        Self {
            path: usual.path,
            baud: link.integer_or("baud", 300..=4_000_000, 9600).unsigned_abs() as u32,
            data_bits,
            parity: link.choice("parity", &parities).unwrap_or(usual.parity),
            stop_bits,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(settings) => write!(f, "serial port {}", settings.path),
            Self::Tcp { address } => write!(f, "{address}"),
        }
    }
}

/// A link did not open.
#[derive(Debug, thiserror::Error)]
#[error("open {endpoint} failed: {cause}")]
pub struct OpenError {
    /// What was opened.
    pub endpoint: Endpoint,
    /// Why it failed.
    #[source]
    pub cause: std::io::Error,
}

impl Translate for OpenError {
    fn translate(&self) -> Bilingual {
        let Self { endpoint, cause } = self;
        both!("open {endpoint} failed: {cause}", "打开 {endpoint} 失败：{cause}"; endpoint, cause)
    }
}

impl Translate for Endpoint {
    fn translate(&self) -> Bilingual {
        match self {
            Self::Serial(settings) => both!("serial port {path}", "串口 {path}", path = &settings.path),
            Self::Tcp { address } => Bilingual::verbatim(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kouan_settings::{Document, Problems};

    fn read(text: &str) -> (Option<LinkSettings>, String) {
        let problems = Problems::new("agent.toml", text);
        let document = Document::parse("agent.toml", text).unwrap();
        let mut root = document.root(&problems);
        let settings = LinkSettings::read(&mut root);
        drop(root);
        (settings, problems.to_string())
    }

    #[test]
    fn a_serial_port_has_usual_settings() {
        let (settings, said) = read("serial = \"/dev/ttyUSB0\"\nbaud = 19200\nparity = \"even\"\n");
        assert_eq!(said, "");
        let serial = SerialSettings { baud: 19200, parity: Parity::Even, ..SerialSettings::new("/dev/ttyUSB0") };
        assert_eq!(settings, Some(LinkSettings::new(Endpoint::Serial(serial))));
    }

    #[test]
    fn wrong_endpoints_are_explained() {
        for (text, expected) in [
            ("", "serial: this is missing: where the link ends"),
            ("serial = \"/dev/ttyS0\"\ntcp = \"a:1\"", "tcp: a link ends either at a serial port or"),
            ("tcp = \"10.0.0.1\"", "must be host:port"),
            ("tcp = \"10.0.0.1:0\"", "must be host:port"),
            ("serial = \"COM1\"", "this must be the port's whole path"),
            ("serial = \"/dev/ttyS0\"\nparity = \"mark\"", "it must be one of \"none\", \"even\", \"odd\""),
            ("tcp = \"10.0.0.1:502\"\nbaud = 9600", "baud: this key is not known here"),
        ] {
            let (_, said) = read(text);
            assert!(said.contains(expected), "{text}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_not_there_is_named() {
        let endpoint = Endpoint::Serial(SerialSettings::new("/dev/serial/by-id/none"));
        let error = endpoint.open(Duration::from_secs(1)).await.unwrap_err();
        assert!(error.to_string().starts_with("open serial port /dev/serial/by-id/none failed: "), "{error}");
    }
}
