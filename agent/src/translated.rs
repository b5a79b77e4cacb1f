//! What the agent's own errors say, in both languages. The names of operations and requests, and what libraries say,
//! stand in them as they are.

use kouan_settings::{Bilingual, Translate, both};

use crate::app::AppError;
use crate::buffer::BufferError;
use crate::commands::JournalError;
use crate::config::ConfigError;
use crate::config_edit::EditError;
use crate::data_folder::DataFolderError;
use crate::local::LocalError;
use crate::uplink::{TrustError, UplinkError, WrongCertificate};

impl Translate for BufferError {
    fn translate(&self) -> Bilingual {
        let english = self.to_string();
        let chinese = match self {
            Self::Sqlite { operation, file, cause } => {
                format!("数据库文件 {} 操作失败（{operation}）：{cause}", file.display())
            }
            Self::Migration { file, cause } => format!("无法更新 {} 的表结构：{cause}", file.display()),
            Self::MoveAside { file, cause } => {
                format!("无法移开损坏的文件 {}：{}", file.display(), cause.translate().chinese)
            }
            Self::Thread { file, cause } => {
                format!("无法启动 {} 的写入线程：{}", file.display(), cause.translate().chinese)
            }
            Self::Stopped { file } => format!("{} 的写入线程已停止或拒绝；原因见之前的日志", file.display()),
        };
        Bilingual::new(english, chinese)
    }
}

impl Translate for JournalError {
    fn translate(&self) -> Bilingual {
        let english = self.to_string();
        let chinese = match self {
            Self::Sqlite { operation, file, cause } => {
                format!("命令日志 {} 操作失败（{operation}）：{cause}", file.display())
            }
            Self::File(error) => return error.translate(),
            Self::Replaced { operation } => format!("命令日志损坏，没有完成（{operation}）；已开始新的命令日志"),
        };
        Bilingual::new(english, chinese)
    }
}

impl Translate for DataFolderError {
    fn translate(&self) -> Bilingual {
        let english = self.to_string();
        let chinese = match self {
            Self::InUse { path } => format!(
                "数据文件夹 {} 正被另一个 kouan-agent 使用；请先停止它，或用 data = \"…\" 给这一个另设文件夹",
                path.display()
            ),
            Self::System { operation, path, cause } => {
                format!("{} 操作失败（{operation}）：{}", path.display(), cause.translate().chinese)
            }
            Self::Incarnation { path } => {
                format!("{} 中没有编号（应为 16 位十六进制数）；删除它即可重新开始", path.display())
            }
        };
        Bilingual::new(english, chinese)
    }
}

impl Translate for ConfigError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::Read { path, cause } => {
                let path = path.display().to_string();
                let place = Bilingual::verbatim(path);
                both!("reading {place} failed: {cause}", "读取 {place} 失败：{cause}"; place, cause)
            }
            Self::Problems(problems) => problems.translate(),
        }
    }
}

impl Translate for EditError {
    fn translate(&self) -> Bilingual {
        let english = self.to_string();
        let chinese = match self {
            Self::Config(error) => return error.translate(),
            Self::Toml { path, cause } => format!("{} 不是有效的 TOML：{cause}", path.display()),
            Self::Missing { path, what, name } => {
                let what = if *what == "link" { "线路" } else { "设备" };
                format!("{} 中没有名为“{name}”的{what}", path.display())
            }
            Self::Changed { path } => format!("{} 刚被别人改过；没有写入，请重试", path.display()),
            Self::System { operation, path, cause } => {
                format!("{} 操作失败（{operation}）：{}", path.display(), cause.translate().chinese)
            }
        };
        Bilingual::new(english, chinese)
    }
}

impl Translate for LocalError {
    fn translate(&self) -> Bilingual {
        let english = self.to_string();
        let chinese = match self {
            Self::NotRunning { path, cause } => {
                format!("{} 上没有运行中的代理：{}", path.display(), cause.translate().chinese)
            }
            Self::Forbidden { path } => {
                format!("当前用户不能使用 {}；请以 root 或代理的用户身份执行", path.display())
            }
            Self::Broken(cause) => format!("代理没有回答：{}", cause.translate().chinese),
            Self::Answer(cause) => format!("看不懂代理的回答，版本可能不同：{cause}"),
        };
        Bilingual::new(english, chinese)
    }
}

impl Translate for WrongCertificate {
    fn translate(&self) -> Bilingual {
        let Self { expected, presented, why } = self;
        Bilingual::new(self.to_string(), format!("采集中心出示的证书不对：应为 {expected}；收到 {presented}：{why}"))
    }
}

impl Translate for TrustError {
    fn translate(&self) -> Bilingual {
        let english = self.to_string();
        let chinese = match self {
            Self::File { path, cause } => format!("读取 {} 失败：{}", path.display(), cause.translate().chinese),
            Self::Certificates { path, detail } => format!("{} 中没有可以信任的证书（PEM）：{detail}", path.display()),
            Self::Tls(cause) => format!("无法准备 TLS：{cause}"),
        };
        Bilingual::new(english, chinese)
    }
}

impl Translate for UplinkError {
    fn translate(&self) -> Bilingual {
        let english = self.to_string();
        let chinese = match self {
            Self::Prepare(cause) => format!("无法准备与采集中心的连接：{cause}"),
            Self::File { path, cause } => format!("读取 {} 失败：{}", path.display(), cause.translate().chinese),
            Self::Trust(error) => return error.translate(),
            Self::Certificate { request, problem } => format!("没有发出 {request}：{}", problem.translate().chinese),
            Self::NoAnswer { request, cause } => {
                let why = if cause.is_timeout() { "超时" } else { "连接不上或中断" };
                format!("{request} 没有得到回答（{why}）：{cause}")
            }
            Self::Busy { request, retry_after } => {
                format!("{request}：采集中心要求等待 {} 秒", retry_after.as_secs())
            }
            Self::HelloRequired { request, detail } => format!("{request}：采集中心要求重新建立会话：{detail}"),
            Self::Refused { request, status, detail } => format!("{request} 被拒绝，{status}：{detail}"),
            Self::Answer { request, cause } => format!("看不懂对 {request} 的回答：{cause}"),
            Self::Compress { request, cause } => format!("压缩 {request} 失败：{}", cause.translate().chinese),
            Self::Buffer(error) => format!("缓存拒绝：{}", error.translate().chinese),
            Self::Journal(error) => format!("命令日志拒绝：{}", error.translate().chinese),
        };
        Bilingual::new(english, chinese)
    }
}

impl Translate for AppError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::DataFolder(error) => error.translate(),
            Self::Buffer(error) => error.translate(),
            Self::Journal(error) => error.translate(),
            Self::Uplink(error) => error.translate(),
            Self::EndedEarly { part } => Bilingual::new(self.to_string(), format!("{part} 自行结束；原因见之前的日志")),
            Self::Socket { path, cause } => {
                let chinese = format!("打开本机套接字 {} 失败：{}", path.display(), cause.translate().chinese);
                Bilingual::new(self.to_string(), chinese)
            }
        }
    }
}
