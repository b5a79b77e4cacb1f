//! Checking the configuration, making a bundle, and what goes wrong with files.

use super::language::texts;

texts! {
    check_right(path, links, devices) {
        "{path} is right: {links} links, {devices} devices."
        "{path} 没有问题：{links} 条线路，{devices} 台设备。"
    }
    check_revision(number, origin, at) { "Revision {number}: {origin}, {at}." "第 {number} 版：{origin}，{at}。" }
    check_collector(url) { "The collector at {url} answers." "采集中心 {url} 有应答。" }
    check_collector_certificate(url) {
        "The collector at {url} answers, with the right certificate."
        "采集中心 {url} 有应答，证书正确。"
    }
    check_no_collector() { "no collector is configured" "没有配置采集中心" }
    bundle_exists(path) { "{path} is there already; name another file with --output" "{path} 已存在，请用 --output 另取文件名" }
    bundle_written(path, files, size) {
        "{path}: {files} files, {size}. Tokens, passwords and keys are replaced by \"(hidden)\"; look through it before you send it."
        "{path}：{files} 个文件，{size}。令牌、密码和密钥已替换为 “(hidden)”；发出之前请先看一遍。"
    }
    bundle_left_out(name, why) { "left out {name}: {why}" "未收入 {name}：{why}" }
    starting_failed(error) { "starting the runtime failed: {error}" "程序启动失败：{error}" }
    profile_right(file, points, actions, evidence) { "{file} is right: {points} points, {actions} actions, evidence {evidence}.\n" "{file} 正确：{points} 个测点，{actions} 个操作，可靠程度 {evidence}。\n" }
    profile_unknown(profile, known) { "\"{profile}\" is neither a file nor a built-in profile; these are {known}" "“{profile}”既不是文件，也不是内置的型号文件；内置的有：{known}" }
    profile_about(class, evidence, source) { "class {class}, evidence {evidence}\nsource: {source}\n" "类别 {class}，可靠程度 {evidence}\n来源：{source}\n" }
    profile_doubt(doubt) { "doubt: {doubt}\n" "疑点：{doubt}\n" }
    profile_action(name, arguments) { "action {name} ({arguments})\n" "操作 {name}（{arguments}）\n" }
    profile_moving_action(name, arguments) { "action {name} ({arguments}), moves something\n" "操作 {name}（{arguments}），会动作\n" }
    profile_alarm(condition, severity, point, text) { "alarm {condition}, {severity} ({point}): {text}\n" "告警 {condition}，{severity}（{point}）：{text}\n" }
    profile_no_kind(kind, known) { "\"{kind}\" is no kind with profiles; these are {known}" "“{kind}”没有型号文件；有型号文件的协议：{known}" }
}
