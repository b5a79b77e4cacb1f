//! What classes of devices are called.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A class with its names.
#[derive(Debug, Clone, Copy)]
pub struct ClassName {
    /// The word in profiles, rules and filters.
    pub id: &'static str,
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
    /// What people also write.
    pub also: &'static [&'static str],
}

const fn class(id: &'static str, zh: &'static str, en: &'static str, also: &'static [&'static str]) -> ClassName {
    ClassName { id, zh, en, also }
}

/// The classes that have names here. Another word is a class too.
pub static CLASSES: &[ClassName] = &[
    class("access-controller", "门禁控制器", "Access controller", &["门禁主机"]),
    class("access-terminal", "门禁一体机", "Access terminal", &["人脸门禁", "门禁"]),
    class("air-conditioner", "空调", "Air conditioner", &["精密空调"]),
    class("alarm-host", "报警主机", "Alarm host", &["求助管理主机"]),
    class("amplifier", "功放", "Amplifier", &["广播功放"]),
    class("application", "业务系统", "Application", &["应用系统", "业务系统页面与接口"]),
    class("attendance-terminal", "考勤机", "Attendance terminal", &[]),
    class("av-matrix", "音视频矩阵", "AV matrix", &["矩阵切换器", "混插矩阵"]),
    class("biometric-station", "生物特征采集设备", "Biometric station", &["生物采集设备"]),
    class("broadcast-terminal", "广播终端", "Broadcast terminal", &[]),
    class("calling-terminal", "叫号终端", "Calling terminal", &["叫号器"]),
    class("camera", "摄像机", "Camera", &["摄像头", "网络摄像机", "监控摄像机"]),
    class("central-control", "中控主机", "Central control", &["网络中控主机"]),
    class("conference-camera", "会议摄像机", "Conference camera", &["视频会议摄像机"]),
    class("conference-host", "会议主机", "Conference host", &["会议系统主机"]),
    class("crypto-appliance", "密码设备", "Cryptographic appliance", &["密码机", "签名验签服务器"]),
    class("display", "显示器", "Display", &["电视机", "会议平板"]),
    class("document-reader", "证件阅读器", "Document reader", &["查验设备"]),
    class("electric-lock", "电锁", "Electric lock", &["电插锁"]),
    class("energy-meter", "电能表", "Energy meter", &["电表"]),
    class("environment-sensor", "环境传感器", "Environment sensor", &["动环", "温湿度传感器"]),
    class("equipment-box", "设备箱", "Equipment box", &["监控设备箱"]),
    class("firewall", "防火墙", "Firewall", &[]),
    class("flow-camera", "客流统计摄像机", "People-counting camera", &["客流摄像机"]),
    class("handheld-terminal", "手持终端", "Handheld terminal", &["行业定制终端", "PDA"]),
    class("help-button", "求助按钮", "Help button", &["紧急求助按钮", "一键报警按钮"]),
    class("host", "主机", "Host", &[]),
    class("info-display", "信息发布屏", "Information display", &["信息发布大屏"]),
    class("kiosk", "自助终端", "Kiosk", &["自助机"]),
    class("lcd-wall", "LCD 拼接屏", "LCD wall", &["LCD拼接屏", "拼接屏"]),
    class("led-wall", "LED 大屏", "LED wall", &["LED显示屏", "LED大屏"]),
    class("media-player", "信息发布盒", "Media player", &["播放盒"]),
    class("media-server", "流媒体服务器", "Media server", &["流媒体主机"]),
    class("name-plate", "电子桌牌", "Electronic name plate", &["桌牌"]),
    class("network-gap", "网闸", "Network gap", &["安全隔离网闸"]),
    class("network-line", "专线", "Network line", &["通信链路", "链路", "线路"]),
    class("ntp-server", "时间服务器", "Time server", &["NTP服务器", "NTP校时服务器"]),
    class("nvr", "硬盘录像机", "Network video recorder", &["NVR", "录像机"]),
    class("passenger-gate", "旅客闸机", "Passenger gate", &["闸机", "智能闸机", "旅客智能闸机"]),
    class("passport-cabinet", "护照保管柜", "Passport cabinet", &["证照柜"]),
    class("plate-camera", "车牌识别摄像机", "Plate camera", &["车牌识别相机", "抓拍摄像机"]),
    class("plate-terminal", "车牌识别终端", "Plate terminal", &[]),
    class("power-cabinet", "配电柜", "Power cabinet", &["配电箱"]),
    class("power-sequencer", "电源时序器", "Power sequencer", &["时序器"]),
    class("ptz-camera", "球机", "PTZ camera", &["球型摄像机", "云台摄像机"]),
    class("queue-display", "综合显示屏", "Queue display", &["排队显示屏"]),
    class("rack", "机柜", "Rack", &["服务器机柜"]),
    class("rating-terminal", "评价终端", "Rating terminal", &["评价器"]),
    class("relay-board", "继电器", "Relay board", &["继电器板"]),
    class("security-appliance", "安全设备", "Security appliance", &["堡垒机", "安全网关"]),
    class("server", "服务器", "Server", &[]),
    class("smart-terminal", "智能管理终端", "Smart terminal", &["智能终端"]),
    class("storage", "存储", "Storage", &["存储设备", "存储节点"]),
    class("switch", "交换机", "Switch", &["网络交换机"]),
    class("tablet", "平板电脑", "Tablet", &["平板"]),
    class("ticket-machine", "取号机", "Ticket machine", &["排队机"]),
    class("ups", "不间断电源", "UPS", &["UPS电源"]),
    class("vehicle-barrier", "道闸", "Vehicle barrier", &["车辆道闸", "企业道闸"]),
    class("video-decoder", "视频解码器", "Video decoder", &["解码器"]),
    class("video-platform", "视频平台", "Video platform", &["视频监控平台"]),
    class("video-processor", "视频处理器", "Video processor", &[]),
    class("vpn-gateway", "VPN 网关", "VPN gateway", &["VPN设备", "VPN网关"]),
    class("window-strip", "窗口条屏", "Window strip", &["条屏"]),
    class("wireless-ap", "无线 AP", "Wireless access point", &["无线AP", "AP"]),
    class("wireless-controller", "无线控制器", "Wireless controller", &["无线控制器AC", "AC"]),
    class("workstation", "工作站", "Workstation", &["电脑", "计算机", "PC"]),
];

/// The names of a class, if it has any here.
#[must_use]
pub fn named(id: &str) -> Option<&'static ClassName> {
    CLASSES.iter().find(|class| class.id == id)
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<String>().to_lowercase()
}

/// Every name in the form in which it is looked for: a large file asks for each row.
static BY_NAME: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let names = |class: &'static ClassName| {
        let names = [class.id, class.zh, class.en].into_iter().chain(class.also.iter().copied());
        names.map(move |name| (plain(name), class.id))
    };
    CLASSES.iter().flat_map(names).collect()
});

/// The class that somebody means by a word or a name; a word in the form of a class is taken as it is.
#[must_use]
pub(super) fn meant_by(text: &str) -> Option<String> {
    let found = BY_NAME.get(&plain(text)).map(|id| (*id).to_owned());
    let word = text.trim();
    found.or_else(|| word.parse::<kouan_protocol::DeviceKey>().is_ok().then(|| word.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_means_two_classes() {
        let mut seen = BTreeSet::new();
        for class in CLASSES {
            let names: BTreeSet<String> =
                [class.id, class.zh, class.en].iter().chain(class.also).map(|name| name.to_lowercase()).collect();
            for name in names {
                assert!(seen.insert(name.clone()), "{name} is said twice");
                assert_eq!(meant_by(&name).as_deref(), Some(class.id));
            }
        }
        assert_eq!(meant_by(" 车牌识别相机 ").as_deref(), Some("plate-camera"));
        assert_eq!(meant_by("weather-station").as_deref(), Some("weather-station"));
        assert_eq!(meant_by("气象站"), None);
    }

    #[test]
    fn every_class_of_the_fleet_has_names() {
        let fleet = include_str!("../../../load/data/fleet.csv");
        let classes: BTreeSet<&str> = fleet.lines().skip(1).filter_map(|line| line.split(',').nth(3)).collect();
        assert!(classes.len() > 50);
        for class in classes {
            assert!(named(class).is_some(), "{class}");
        }
    }
}
