//! Searching a line, and adding what was found.

use super::language::texts;

texts! {
    ports_none() {
        "There is no serial port on this machine. Plug in the adapter; `dmesg | tail` then says whether the kernel knows it."
        "本机没有串口。请插上转换器，再用 dmesg | tail 查看内核是否认出它。"
    }
    port_free() { "free" "空闲" }
    port_used_by_agent(link) { "the running agent, link {link}" "代理正在使用，线路 {link}" }
    port_held(program, pid) { "{program} (process {pid})" "{program}（进程 {pid}）" }
    port_not_allowed() { "may not be opened by this user" "当前用户无权打开" }
    ports_next(port) {
        "Search one with: kouan-agent scan --serial {port}"
        "搜索某个串口：kouan-agent scan --serial {port}"
    }
    scan_in_use(place, link, devices) {
        "the running agent uses {place} for link \"{link}\" ({devices}), and a line has one master at a time. See what it says with `kouan-agent devices` and `kouan-agent probe DEVICE`; to search the line, stop the agent first: systemctl stop kouan-agent"
        "代理正在用 {place} 跑线路“{link}”（{devices}），同一条线同时只能有一个主站。可用 kouan-agent devices 和 kouan-agent probe 设备 查看；要搜索这条线，请先停止代理：systemctl stop kouan-agent"
    }
    scan_folder_in_use() {
        "an agent is starting or running on the data folder but does not answer; stop it first: systemctl stop kouan-agent"
        "数据目录正被一个没有应答的代理占用，请先停止它：systemctl stop kouan-agent"
    }
    scan_held(place, holders) {
        "{place} is in use by {holders}; end that program first"
        "{place} 正被 {holders} 占用，请先关掉该程序"
    }
    scan_through_agent(place, link) {
        "The running agent uses {place} for link \"{link}\": it asks itself, between its polls, with the line's own speed and parity. To search other settings, or to have models guessed, stop it first: systemctl stop kouan-agent"
        "代理正在用 {place} 跑线路“{link}”：由它在轮询之间代为询问，只用这条线现有的波特率和校验。要搜索其他参数或判断型号，请先停止代理：systemctl stop kouan-agent"
    }
    scan_configured(units) { "in the configuration already: unit {units}" "已在配置中：单元 {units}" }
    scan_no_stranger(place) { "Nobody else answers at {place}." "{place} 上没有其他设备应答。" }
    scan_nothing_written() { "Only questions are asked; nothing is written to any device." "只读不写，不会改动任何设备。" }
    scan_setting(endpoint, number, of) { "{endpoint}  (setting {number} of {of})" "{endpoint}（第 {number}/{of} 组参数）" }
    scan_unit(unit, last, function) { "unit {unit} of {last}, function {function}" "单元 {unit}/{last}，功能码 {function}" }
    scan_refused(error) { "this port does not take that setting: {error}" "该端口不支持这组参数：{error}" }
    scan_found(unit, endpoint) { "Found: unit {unit} at {endpoint}" "找到：单元 {unit}，{endpoint}" }
    scan_guessing(unit) { "Asking unit {unit} what it is" "正在判断单元 {unit} 的型号" }
    scan_line_profile(profile, endpoint) { "{profile} at {endpoint}" "按 {profile} 搜索 {endpoint}" }
    scan_wants_key() {
        "wants a key: it talks only through a secure channel, so which model it is cannot be asked. Its key belongs into a file of its own (key_file); one that still has the key of its delivery takes default_key = true"
        "需要密钥：它只通过安全通道通讯，因此问不出型号。密钥请放在单独的文件里（key_file）；仍用出厂密钥的设备写 default_key = true"
    }
    scan_late(unit) {
        "unit {unit} answered late: give it a longer answer_timeout, such as \"1s\""
        "单元 {unit} 应答较慢：请给它更长的 answer_timeout，例如 \"1s\""
    }
    scan_echo() {
        "The adapter sends back what it is given (local echo). Kouan can live with it; other programs may not."
        "转换器会回显发出的字节（本地回环）。口岸代理可以正常工作，其他软件未必。"
    }
    scan_noise(endpoint, count) {
        "{endpoint}: {count} times something came that is no Modbus answer: another speed, another protocol, or wires A and B exchanged"
        "{endpoint}：有 {count} 次收到不是 Modbus 应答的字节：波特率不对、协议不同，或 A/B 线接反"
    }
    scan_every_unit() {
        "Nearly every address answers: the unit number means nothing here, as with many devices that have a network port. Use 1."
        "几乎每个地址都有应答：说明单元地址在此不起作用，网口设备常见。请用 1。"
    }
    scan_none(place) {
        "Nothing answered at {place}. Check in this order: power of the device; wires A and B (exchange them once); the address and speed on its label or display; the end resistor; then search all with --thorough, or another protocol with --protocol."
        "{place} 没有任何应答。请依次检查：设备供电；A/B 线（对调试一次）；铭牌或显示屏上的地址和波特率；终端电阻；再用 --thorough 全面搜索，或用 --protocol 换协议。"
    }
    scan_interrupted() { "Interrupted; this was found until now." "已中断，以下是目前找到的。" }
    scan_fits(profile, model) { "fits {profile} ({model})" "符合 {profile}（{model}）" }
    scan_identity(identity) { "says of itself: {identity}" "自报：{identity}" }
    scan_points(fitting, points) { "{fitting} of {points} values possible" "{points} 个值中 {fitting} 个合理" }
    scan_also(profiles) {
        "also possible: {profiles}. Models that answer alike are told apart by the nameplate."
        "也可能是：{profiles}。应答相同的型号请看铭牌区分。"
    }
    scan_no_profile() {
        "answers Modbus, but no profile fits; begin one: kouan-agent profile new modbus"
        "有 Modbus 应答，但没有相符的型号文件；可新建：kouan-agent profile new modbus"
    }
    scan_add(command) { "add it: {command}" "加入配置：{command}" }
    scan_where() { "say where: --serial PORT or --tcp HOST:PORT" "请指明位置：--serial 串口 或 --tcp 主机：端口" }
    scan_units_wrong(text) { "\"{text}\" are no units; write one number or a range, such as 1-32" "“{text}” 不是单元地址；请写一个数或范围，例如 1-32" }
    scan_protocol_unknown(protocol, known) {
        "\"{protocol}\" is no protocol that can be searched; these can: {known}"
        "不能按 “{protocol}” 搜索；可用的有：{known}"
    }

    add_profile_unknown(profile, known) {
        "there is no profile \"{profile}\"; known are {known}"
        "没有型号文件 “{profile}”；已有的：{known}"
    }
    add_no_place(name) {
        "there is no link \"{name}\" yet; say where it ends: --serial PORT or --tcp HOST:PORT"
        "还没有线路 “{name}”；请指明位置：--serial 串口 或 --tcp 主机：端口"
    }
    add_needs_link(links) {
        "say on which link: --link NAME (there are: {links}), or where a new one ends: --serial PORT or --tcp HOST:PORT"
        "请指明线路：--link 名称（已有：{links}），或给出新线路的位置：--serial 串口 或 --tcp 主机：端口"
    }
    add_other_kind(link, kind, profile, needed) {
        "link \"{link}\" speaks {kind}, but profile \"{profile}\" needs {needed}"
        "线路 “{link}” 的协议是 {kind}，而型号文件 “{profile}” 需要 {needed}"
    }
    add_other_baud(link, has, asked) {
        "link \"{link}\" has baud = {has}; a line has one speed, so {asked} cannot be added to it"
        "线路 “{link}” 的波特率是 {has}；同一条线只能有一个波特率，不能加入 {asked} 的设备"
    }
    add_set_wrong(text) { "\"{text}\" sets nothing; write key=value" "“{text}” 写法不对，请写成 键=值" }
    add_done(device, link, path, number) {
        "{device} was added to link \"{link}\" in {path}, revision {number}."
        "已把 {device} 加入 {path} 的线路 “{link}”，第 {number} 版。"
    }
    add_dry() { "This would be written:" "将要写入：" }
    add_next_read(device) { "Look at it: kouan-agent read {device}" "读一次看看：kouan-agent read {device}" }
    add_next_commission(device, count) {
        "To be proved at the device: {count}. kouan-agent commission {device}"
        "有 {count} 项需要在设备前验证：kouan-agent commission {device}"
    }
    add_next_restart() {
        "A running agent takes it up when it starts again: systemctl restart kouan-agent"
        "代理重启后生效：systemctl restart kouan-agent"
    }
}
