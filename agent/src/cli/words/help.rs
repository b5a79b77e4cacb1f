//! The help texts in Chinese. The English ones stand with the arguments.

use clap::{Arg, ArgAction, Command};

use super::{Language, Words};

/// Command, argument (empty for the command itself), text.
const HELP: &[(&str, &str, &str)] = &[
    ("", "", "与现场设备通讯，在采集中心收到之前保存所得的一切，并执行控制命令。"),
    ("", "config", "配置文件"),
    ("", "json", "输出 JSON，不输出表格"),
    ("", "lang", "语言：en 或 zh；不写则按 LC_ALL、LC_MESSAGES、LANG"),
    ("run", "", "运行代理，直到要求停止"),
    ("run", "log", "日志详细程度：error、warn、info、debug，或过滤条件，如 \"info,kouan_drivers=debug\""),
    ("check", "", "检查配置，指出所有错误"),
    ("check", "online", "同时询问采集中心是否应答、证书是否正确"),
    ("doctor", "", "检查现场常见的各种问题，并给出处理办法"),
    ("scan", "", "列出串口，或在一个串口上搜索设备：波特率、格式、地址、型号。只读"),
    ("scan", "serial", "要搜索的串口"),
    ("scan", "tcp", "要搜索的地址，HOST:PORT"),
    ("scan", "rtu", "该地址是透明传输的串口服务器：TCP 上的 Modbus RTU"),
    ("scan", "baud", "要试的波特率，用逗号分隔；不写则试所有常用的"),
    ("scan", "parity", "要试的校验方式，用逗号分隔"),
    ("scan", "units", "要询问的地址：一个数，或范围，如 1-32"),
    ("scan", "wait", "允许设备多久才应答"),
    ("scan", "protocol", "搜索什么：modbus，其他协议如 serial-line、ydt1363、osdp，或某个型号文件的名称"),
    ("scan", "thorough", "在每个波特率上搜索每个地址；耗时较长"),
    ("scan", "no_guess", "不判断找到的设备是什么型号"),
    ("add", "", "把设备加入配置：先检查，再写成新的一版"),
    ("add", "device", "新设备的名称：a-z、0-9、“.”、“_”、“-”"),
    ("add", "profile", "型号文件"),
    ("add", "unit", "它在线路上的地址"),
    ("add", "label", "给人看的名称"),
    ("add", "area", "所在位置"),
    ("add", "link", "所在线路，或新线路的名称"),
    ("add", "serial", "线路的位置：串口"),
    ("add", "tcp", "线路的位置：HOST:PORT"),
    ("add", "rtu", "该地址是透明传输的串口服务器：TCP 上的 Modbus RTU"),
    ("add", "baud", "新串口线路的波特率"),
    ("add", "parity", "新串口线路的校验方式"),
    ("add", "set", "设备的其他配置项，写成 键=值；可多次使用"),
    ("add", "dry_run", "只显示将要写入的内容，不写入"),
    ("commission", "", "在设备前验证型号文件中未定的事项：身份、疑点、输入的接线方向"),
    ("commission", "device", "设备名称"),
    ("devices", "", "列出设备及其健康状态和最新数值"),
    ("read", "", "立即与设备通讯，显示它的数值"),
    ("read", "device", "设备名称"),
    ("watch", "", "随时显示设备数值的变化，按 Ctrl-C 结束"),
    ("watch", "device", "设备名称"),
    ("watch", "every", "多久看一次"),
    ("watch", "length", "多久之后结束"),
    ("probe", "", "与设备通讯一次，显示每个字节及其含义"),
    ("probe", "device", "设备名称"),
    ("command", "", "让设备执行操作并等待结果"),
    ("command", "device", "设备名称"),
    ("command", "action", "操作，如 relay.set"),
    ("command", "arguments", "参数，如 channel=1 on=true"),
    ("command", "within", "命令最多等多久开始执行"),
    ("command", "yes", "设备动作之前不再询问"),
    ("status", "", "显示正在运行的代理的状况"),
    ("bundle", "", "把技术支持需要的资料打成一个文件，不含密码"),
    ("bundle", "output", "要写的文件；不写则为当前目录下的 kouan-bundle-时间.tar.gz"),
    ("profile", "", "检查、查看和新建型号文件"),
    ("print-config", "", "按代理的理解打印配置，密码隐藏"),
    ("print-config", "template", "改为打印带注释的模板"),
    ("completion", "", "打印让命令行自动补全的脚本"),
    ("completion", "shell", "命令行解释器"),
];

/// Of `profile`.
const PROFILE_HELP: &[(&str, &str, &str)] = &[
    ("check", "", "检查型号文件，指出所有错误"),
    ("check", "files", "文件"),
    ("show", "", "显示型号文件的内容；不写名称则列出内置的"),
    ("show", "profile", "内置型号文件的名称，或文件"),
    ("show", "text", "打印型号文件原文，以便复制修改"),
    ("new", "", "打印一个小的型号文件，作为新建的起点"),
    ("new", "kind", "协议：modbus、serial-line、listener、ydt1363、osdp、uhppote、zkteco-c3、rfid、led-card 或 mqtt"),
];

const EXIT_CODES: &str = "退出码：0 完成；1 失败，或设备没有照办；2 用法或配置不对；3 已完成，但发现问题或什么也没找到；\
                          4 端口正被运行中的代理或其他程序使用。";

const TEMPLATE: &str = "{about}\n\n用法：{usage}\n\n{all-args}{after-help}";

/// The command line with its help in this language.
pub(in crate::cli) fn translated(command: Command, words: Words) -> Command {
    if words.language == Language::English {
        return command;
    }
    let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
    let command = with_help_flag(apply(command, HELP)).after_help(EXIT_CODES).subcommand_help_heading("命令");
    let command = command.disable_version_flag(true).arg(version.help("显示版本").help_heading(OPTIONS));
    command.mut_subcommand("profile", |profile| apply(profile, PROFILE_HELP).subcommand_help_heading("命令"))
}

const OPTIONS: &str = "选项";

/// The command's own argument in Chinese, with its heading.
fn told(argument: Arg, text: Option<&'static str>) -> Arg {
    let heading = if argument.is_positional() { "参数" } else { OPTIONS };
    let argument = argument.help_heading(heading);
    match text {
        Some(text) => argument.help(text).long_help(text),
        None => argument,
    }
}

fn with_help_flag(command: Command) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help("显示本说明");
    command
        .help_template(TEMPLATE)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .arg(help.help_heading(OPTIONS))
}

fn apply(command: Command, texts: &'static [(&str, &str, &str)]) -> Command {
    let of = |name: &str, argument: &str| {
        texts.iter().find(|(command, of, _)| *command == name && *of == argument).map(|(_, _, text)| *text)
    };
    let command = match of("", "") {
        Some(text) => command.about(text).long_about(text),
        None => command,
    };
    let command = command.mut_args(|argument| {
        let text = of("", argument.get_id().as_str());
        told(argument, text)
    });
    command.mut_subcommands(|subcommand| {
        let name = subcommand.get_name().to_owned();
        let subcommand = match of(&name, "") {
            Some(text) => subcommand.about(text).long_about(text),
            None => subcommand,
        };
        let subcommand = subcommand.mut_args(|argument| {
            let text = of(&name, argument.get_id().as_str());
            told(argument, text)
        });
        with_help_flag(subcommand)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::arguments::Cli;

    fn untold(command: &Command, texts: &[(&str, &str, &str)], name: &str) -> Vec<String> {
        let told = |argument: &str| texts.iter().any(|(command, of, _)| *command == name && *of == argument);
        let arguments = command.get_arguments().map(|argument| argument.get_id().as_str());
        let arguments = arguments.filter(|id| !["help", "version"].contains(id));
        let mut untold: Vec<String> = arguments.filter(|id| !told(id)).map(|id| format!("{name} {id}")).collect();
        if !told("") {
            untold.push(name.to_owned());
        }
        untold
    }

    #[test]
    fn every_command_and_argument_is_explained_in_chinese() {
        let command = Cli::command();
        let mut missing = untold(&command, HELP, "");
        for subcommand in command.get_subcommands() {
            missing.extend(untold(subcommand, HELP, subcommand.get_name()));
            if subcommand.get_name() == "profile" {
                for below in subcommand.get_subcommands() {
                    missing.extend(untold(below, PROFILE_HELP, below.get_name()));
                }
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
        let help = translated(Cli::command(), Words::new(Language::Chinese)).render_help().to_string();
        assert!(help.contains("列出串口") && help.contains("退出码") && !help.contains("Options"), "{help}");
        // The command line is built as it is when it is used.
        translated(Cli::command(), Words::new(Language::Chinese)).debug_assert();
    }
}
