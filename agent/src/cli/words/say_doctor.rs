//! The doctor's findings, each with what to do.

use super::language::texts;

texts! {
    doctor_fine(count) { "{count} checks, nothing is wrong." "共 {count} 项检查，没有问题。" }
    doctor_sum(wrong, advice) { "Wrong: {wrong}. Could be better: {advice}." "{wrong} 项有问题，{advice} 项建议改进。" }

    config_right(path, links, devices) {
        "{path} is right: {links} links, {devices} devices"
        "{path} 没有问题：{links} 条线路，{devices} 台设备"
    }
    config_wrong(error) { "the configuration cannot be used: {error}" "配置不能使用：{error}" }
    config_fix(path) {
        "correct the lines named above; `kouan-agent check --config {path}` says whether all is right"
        "请改正上面指出的各行；用 kouan-agent check --config {path} 确认"
    }
    config_missing_fix(path) {
        "make one: kouan-agent print-config --template > {path}, or name it with --config"
        "新建一个：kouan-agent print-config --template > {path}，或用 --config 指定"
    }
    config_open(path, mode) { "{path} holds a token and can be read by everybody (mode {mode})" "{path} 中有令牌，却人人可读（权限 {mode}）" }
    config_open_fix(path) { "chmod 0640 {path}, or keep the token in a file: token_file = \"…\"" "chmod 0640 {path}，或改用 token_file 把令牌放在单独的文件里" }

    service_runs(software, up) { "{software} is running, up {up}" "{software} 正在运行，已运行 {up}" }
    service_not() { "no agent is running; the checks below were made without it" "代理没有运行；以下检查由本工具直接进行" }
    service_not_fix() { "start it: systemctl start kouan-agent (or kouan-agent run)" "启动：systemctl start kouan-agent（或 kouan-agent run）" }
    service_forbidden(path) { "{path} may not be used by this user" "当前用户无权使用 {path}" }
    service_forbidden_fix() {
        "run this as root, or join the group: adduser YOU kouan-agent, then log in anew"
        "用 root 运行，或加入用户组：adduser 用户名 kouan-agent，然后重新登录"
    }
    service_other_config() {
        "the running agent was started with another text of the configuration"
        "正在运行的代理用的是旧的配置内容"
    }
    service_other_config_fix() { "start it again: systemctl restart kouan-agent" "重启代理：systemctl restart kouan-agent" }
    service_alarm(condition, text) { "alarm {condition}: {text}" "告警 {condition}：{text}" }
    service_alarm_fix() { "the text says what is wrong; the alarm ends when it is over" "请按告警内容处理；恢复后告警自动消除" }
    device_not_working(device, health, text) { "{device}: {health}; {text}" "{device} 状态：{health}；{text}" }
    device_fix(device) { "see the bytes: kouan-agent probe {device}" "查看收发的字节：kouan-agent probe {device}" }
    devices_work(count) { "all {count} devices work" "全部 {count} 台设备正常" }

    port_fine(path, link) { "{path} (link {link}) can be opened" "{path}（线路 {link}）可以打开" }
    port_by_agent(path, link) { "{path} (link {link}) is held by the running agent" "{path}（线路 {link}）由正在运行的代理占用" }
    port_missing(path, link) { "{path} (link {link}) is not there" "找不到 {path}（线路 {link}）" }
    port_missing_fix(ports) {
        "plug the adapter in, or write the right name into the configuration; there are: {ports}"
        "请插上转换器，或在配置中改为正确的名称；现有：{ports}"
    }
    port_forbidden(path, link, user) { "{path} (link {link}) may not be opened by {user}" "{user} 无权打开 {path}（线路 {link}）" }
    port_forbidden_fix(user, group) { "adduser {user} {group}, then log in anew" "adduser {user} {group}，然后重新登录" }
    port_held_by(path, link, holders) { "{path} (link {link}) is in use by {holders}" "{path}（线路 {link}）正被 {holders} 占用" }
    port_held_fix() { "end that program; a line has one master at a time" "请关掉该程序；同一条线同时只能有一个主站" }
    port_unstable(path, stable) {
        "{path} is a name that changes when adapters are plugged in anew; the stable one is {stable}"
        "{path} 这个名称在重新插拔后可能改变；稳定的名称是 {stable}"
    }
    port_unstable_fix(stable) { "write serial = \"{stable}\"" "请写成 serial = \"{stable}\"" }
    port_thief(program) { "{program} runs here and speaks to serial ports that it does not know" "本机运行着 {program}，它会擅自访问串口" }
    port_thief_fix(program) { "stop it for good: systemctl disable --now {program}" "停用它：systemctl disable --now {program}" }
    place_answers(address, link) { "{address} (link {link}) accepts connections" "{address}（线路 {link}）可以连接" }
    place_refuses(address, link, error) { "{address} (link {link}) does not: {error}" "{address}（线路 {link}）连不上：{error}" }
    place_fix() {
        "check the cable, the address and the mask of this machine (ip address), and whether the device serves only one client"
        "检查网线、本机地址和掩码（ip address），以及该设备是否只允许一个连接"
    }

    clock_fine() { "the clock is synchronised" "时钟已同步" }
    clock_unsynchronised() {
        "the clock is not synchronised: times are marked as not trusted, and corrected by the collector"
        "时钟未同步：时间会标记为不可信，由采集中心校正"
    }
    clock_fix() {
        "with network: timedatectl set-ntp true; without: timedatectl set-time '2026-11-22 15:00:00'"
        "有网络时：timedatectl set-ntp true；没有网络时：timedatectl set-time '2026-11-22 15:00:00'"
    }
    clock_wrong(year) { "the clock stands in the year {year}" "时钟显示的年份是 {year}" }
    clock_wrong_fix() {
        "set it: timedatectl set-time '2026-11-22 15:00:00'; if it comes back after a power cut, the battery is empty"
        "请校准：timedatectl set-time '2026-11-22 15:00:00'；若断电后又错，说明主板电池没电"
    }

    disk_fine(path, free) { "{path}: {free} free, can be written" "{path}：剩余 {free}，可写" }
    disk_little(path, free, wanted) {
        "{path}: only {free} free, while the limits of the buffer add up to {wanted}"
        "{path}：只剩 {free}，而缓冲区上限合计为 {wanted}"
    }
    disk_little_fix() {
        "make room, or lower readings_bytes in [buffer]; when the disk is full, readings are dropped with a gap record"
        "请腾出空间，或减小 [buffer] 中的 readings_bytes；磁盘满时会丢弃读数并留下缺口记录"
    }
    disk_missing(path) { "{path} is not there; the agent makes it when it starts" "{path} 还不存在；代理启动时会创建" }
    disk_refuses(path, error) { "{path} cannot be written: {error}" "{path} 不可写：{error}" }
    disk_refuses_fix(path) {
        "chown -R kouan-agent: {path}; if the system says read-only, the disk has a fault: dmesg | tail"
        "chown -R kouan-agent: {path}；若提示只读，说明磁盘有故障：dmesg | tail"
    }
    disk_not_seen(path) { "{path} cannot be looked at by this user" "当前用户无法查看 {path}" }
    disk_wear(mebibytes, every) {
        "flash wear: at most about {mebibytes} MiB a day with commit_every = \"{every}\" and readings all the time"
        "闪存写入量：commit_every = \"{every}\" 且一直有读数时，每天最多约 {mebibytes} MiB"
    }

    collector_off() { "no collector is configured; everything is kept on this machine" "没有配置采集中心，所有数据都留在本机" }
    collector_answers(url) { "{url} answers" "{url} 有应答" }
    collector_certificate_right() { "its certificate is the right one" "证书正确" }
    collector_plain(url) { "{url} is plain http: the token travels in clear" "{url} 是明文 http：令牌会以明文传输" }
    collector_plain_fix() { "use https with pin = \"sha256:…\" unless nobody else can read on the way" "请用 https 并写上 pin = \"sha256:…\"，除非途中绝无他人可读" }
    collector_silent(url, error) { "{url} does not answer: {error}" "{url} 没有应答：{error}" }
    collector_silent_fix() {
        "check the network (ip route, ping), the address, and a firewall between; nothing is lost meanwhile"
        "检查网络（ip route、ping）、地址和中间的防火墙；期间数据不会丢失"
    }
    collector_certificate_wrong(error) { "another certificate came: {error}" "收到的是另一张证书：{error}" }
    collector_certificate_fix() {
        "ask who runs the collector whether it is new (kouan-collector fingerprint); change pin only then, for else somebody stands in between"
        "请向中心确认是否换了证书（kouan-collector fingerprint）；确认后才可改 pin，否则说明途中有人冒充"
    }
    token_fine(path) { "the token is in {path}" "令牌在 {path} 中" }
    token_missing(path, error) { "the token cannot be read from {path}: {error}" "无法从 {path} 读取令牌：{error}" }
    token_missing_fix(path) {
        "at the collector: kouan-collector agent add NAME --site SITE; paste what it prints into {path}, mode 0400, owned by kouan-agent"
        "在中心执行：kouan-collector agent add 名称 --site 站点；把打印的内容写入 {path}，权限 0400，属主 kouan-agent"
    }
    token_open(path, mode) { "{path} can be read by others (mode {mode})" "{path} 其他用户也可读（权限 {mode}）" }
    token_open_fix(path) { "chmod 0400 {path}" "收紧权限：chmod 0400 {path}" }
    session_connected(agent) { "the running agent is connected as {agent}" "代理已连接，名称为 {agent}" }
    session_not(problem) { "the running agent is not connected: {problem}" "代理没有连上：{problem}" }
}
