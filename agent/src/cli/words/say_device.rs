//! Talking to devices: devices, read, watch, probe, command, commission, status.

use super::language::texts;

texts! {
    no_device(device, known) { "there is no device named {device}; known are {known}" "没有名为 {device} 的设备；已有的设备：{known}" }
    agent_not_running() { "no agent is running" "现场代理服务没有运行" }
    other_version() { "the agent answered another question; it may be of another version" "代理答非所问，可能是版本不一致" }
    no_action(device, action, known) {
        "{device} has no action \"{action}\"; it has: {known}"
        "{device} 没有名为 {action} 的操作；它有：{known}"
    }
    no_argument(text) { "\"{text}\" is not an argument; write name=value" "“{text}” 不是参数，请写成 名称=值" }
    needs_yes() {
        "this moves something; add --yes to say that the place is clear"
        "此操作会让设备动作；请确认现场无人，并加上 --yes"
    }
    place_clear(device) { "This moves something at {device}. Is the place clear? [y/N] " "此操作会让 {device} 动作。现场是否安全？[y/N] " }
    nothing_done() { "nothing was done" "什么也没有做" }
    command_ended(state) { "the command ended as {state}" "命令结果：{state}" }
    nobody_knows() {
        "Nobody can tell whether it was done. Look at the device before you try again."
        "无法确定是否已执行。再试之前，请先到设备前查看。"
    }
    actions(list) { "actions: {list}" "可执行的操作：{list}" }
    nothing_heard() { "nothing was heard yet" "还没有收到任何数据" }
    watching(device, every) {
        "Watching {device}, a look every {every}. Ctrl-C ends."
        "正在观察 {device}，每 {every} 看一次，按 Ctrl-C 结束。"
    }
    probe_through_agent() {
        "asked through the running agent, in turn with its own polls"
        "由正在运行的代理代为询问，与它自己的轮询依次进行"
    }
    probe_alone() { "asked directly; no agent is running" "直接询问；代理没有在运行" }
    probe_no_bytes() {
        "This device is not on a line: there are no bytes to show, only values."
        "该设备不走串口或网络线路，没有字节可以显示，只有数值。"
    }
    event_not_kept(event) {
        "It told an event, which nobody keeps while no agent runs: {event}"
        "设备上报了一个事件；代理没有运行，不会保存：{event}"
    }
    probe_nothing() { "Not one byte went over the line." "线路上一个字节也没有。" }
    bytes(direction, count) { "{direction}, {count} bytes" "{direction}，{count} 字节" }
    uptime(software, up, working, devices) {
        "{software}, up {up}, {working} of {devices} devices work"
        "{software}，已运行 {up}，{devices} 台设备中 {working} 台正常"
    }
    collector_none() { "collector: none configured; everything is kept here" "采集中心：没有配置，所有数据都留在本机" }
    collector_connecting(url) { "collector: {url} not connected" "采集中心：{url} 未连接" }
    collector_connected(url, agent) { "collector: {url} connected as {agent}" "采集中心：{url} 已连接，本机名称 {agent}" }
    config_revision(number, origin, at) {
        "configuration: revision {number}, {origin}, {at}"
        "配置：第 {number} 版，{origin}，{at}"
    }
    alarm(condition, severity, age, text) { "ALARM {condition} ({severity}, for {age}): {text}" "告警 {condition}（{severity}，已持续 {age}）：{text}" }
    yes() { "yes" "是" }
    no() { "no" "否" }
    in_memory() { "IN MEMORY" "仅在内存" }
    on_disk() { "on disk" "在磁盘" }

    commission_begin(device, label, profile) {
        "{device} ({label}), profile {profile}. Nothing will be moved or written to the device. Ctrl-C leaves everything as it is."
        "{device}（{label}），型号文件 {profile}。不会让设备动作，也不会向设备写入。按 Ctrl-C 放弃，一切不变。"
    }
    commission_identity() { "1. Is it the right device?" "一、是不是这台设备？" }
    commission_values() { "It says now:" "它现在的数值：" }
    commission_same() { "Do the values agree with the device and its display? [y/n/s=skip] " "这些数值与设备及其显示屏是否一致？[y 是 / n 否 / s 跳过] " }
    commission_doubts() { "2. What the profile is not sure of" "二、型号文件中没有把握的地方" }
    commission_settled() { "Is it right at this device? [y/n/s=skip] " "在这台设备上是否如此？[y 是 / n 否 / s 跳过] " }
    commission_polarity() { "3. Which way round the inputs are wired" "三、各输入的接线方向" }
    commission_none() { "Nothing to do here." "此处没有要做的。" }
    commission_bring(word) {
        "Bring it into the state \"{word}\", then press Enter (s=skip): "
        "请把它置于“{word}”状态，然后按回车（s 跳过）："
    }
    commission_reads(raw) { "It reads {raw}." "读到 {raw}。" }
    commission_unreadable(why) { "It could not be read: {why}" "读不到：{why}" }
    commission_as_profile(point) { "{point} is wired as the profile has it." "{point} 的接线与型号文件一致。" }
    commission_inverted(point) { "{point} is wired the other way round." "{point} 的接线与型号文件相反。" }
    commission_no_change(point) {
        "{point} did not change: wrong input, broken wire, or it was not moved. It stays unproved."
        "{point} 没有变化：接错端子、断线，或者没有真正动作。保持“未验证”。"
    }
    commission_written(number) {
        "Written: revision {number} of the configuration. It takes effect when the agent starts again: systemctl restart kouan-agent"
        "已写入配置第 {number} 版。重启代理后生效：systemctl restart kouan-agent"
    }
    commission_unchanged() { "The configuration stays as it is." "配置没有改动。" }
    commission_record(file) { "The record is in {file}." "记录已写入 {file}。" }
    commission_open(count) { "Checks that are open or failed: {count}. The device is not yet proved." "还有 {count} 项未做或不符，设备尚未验证完毕。" }
    commission_done() { "Everything was checked." "全部检查完毕。" }
    commission_question() { "please answer y, n or s" "请输入 y、n 或 s" }
    commission_input_ended() { "the input ended before all was answered; nothing was written" "输入提前结束，什么也没有写入" }
}
