//! Names of the sites in two languages, and where they are.

use anyhow::Context as _;

use crate::fleet::estate::Place;

/// A site as people know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    system: &'static str,
    title: &'static str,
    /// Its id at the collector; its agent's name begins with it.
    pub(super) id: &'static str,
    pub(super) chinese: &'static str,
    pub(super) english: &'static str,
    /// Degrees east.
    pub(super) longitude: f64,
    /// Degrees north.
    pub(super) latitude: f64,
}

const PORT: &str = "hengqin-port";

const SITES: [Site; 19] = [
    site(PORT, "横琴大桥", "hengqin-bridge", "横琴大桥", "Hengqin Bridge", (113.529, 22.169)),
    site(PORT, "横琴隧道", "hengqin-tunnel", "横琴隧道", "Hengqin Tunnel", (113.508, 22.156)),
    site(PORT, "深井通道", "shenjing-passage", "深井通道", "Shenjing Passage", (113.453, 22.127)),
    site(PORT, "十字门隧道", "shizimen-tunnel", "十字门隧道", "Shizimen Tunnel", (113.544, 22.162)),
    site(PORT, "横琴码头", "hengqin-pier", "横琴码头", "Hengqin Pier", (113.539, 22.121)),
    site(PORT, "广珠城轨横琴站", "hengqin-station", "广珠城轨横琴站", "Hengqin Railway Station", (113.541, 22.136)),
    site(PORT, "广珠城轨长隆站", "changlong-station", "广珠城轨长隆站", "Changlong Railway Station", (113.532, 22.108)),
    site(PORT, "横琴口岸", "hengqin-port", "横琴口岸", "Hengqin Port", (113.547, 22.141)),
    site(PORT, "横琴海关", "hengqin-customs", "横琴海关", "Hengqin Customs", (113.536, 22.146)),
    site(PORT, "运营中心", "operations-centre", "运营中心", "Operations Centre", (113.522, 22.134)),
    site(
        PORT,
        "运营中心机房",
        "operations-rooms",
        "运营中心机房",
        "Operations Centre, Machine Rooms",
        (113.520, 22.130),
    ),
    site(
        PORT,
        "港珠澳大桥边检站1号楼机房",
        "bridge-immigration",
        "港珠澳大桥边检站1号楼机房",
        "HZM Bridge Immigration, Building 1",
        (113.583, 22.209),
    ),
    site(
        PORT,
        "港珠澳大桥海关4楼中心机房",
        "bridge-customs",
        "港珠澳大桥海关4楼中心机房",
        "HZM Bridge Customs, Floor 4",
        (113.578, 22.205),
    ),
    site(PORT, "专线", "hengqin-lines", "横琴口岸专线", "Hengqin Private Lines", (113.530, 22.141)),
    site(
        "doumen-hall",
        "斗门区市民服务中心",
        "doumen-hall",
        "斗门区市民服务中心",
        "Doumen Citizens' Hall",
        (113.297, 22.209),
    ),
    site("wuhan-passport", "武汉市外办", "wuhan-passport", "武汉市外办", "Wuhan Passport Office", (114.306, 30.593)),
    site(
        "kunshan-coffee",
        "昆山综合保税区",
        "kunshan-zone",
        "昆山综合保税区",
        "Kunshan Bonded Zone",
        (120.993, 31.392),
    ),
    site(
        "guangzhou-window",
        "平台网络中转机房",
        "guangzhou-window",
        "广州平台网络中转机房",
        "Guangzhou Window, Relay Room",
        (113.264, 23.129),
    ),
    site(
        "guangzhou-window",
        "专线",
        "guangzhou-lines",
        "广州单一窗口专线",
        "Guangzhou Private Lines",
        (113.274, 23.119),
    ),
];

const fn site(
    system: &'static str,
    title: &'static str,
    id: &'static str,
    chinese: &'static str,
    english: &'static str,
    (longitude, latitude): (f64, f64),
) -> Site {
    Site { system, title, id, chinese, english, longitude, latitude }
}

/// The site of a place of the estate.
pub(super) fn site_of(system: &str, title: &str) -> anyhow::Result<Site> {
    let found = SITES.into_iter().find(|site| site.system == system && site.title == title);
    found.with_context(|| format!("{title} of {system} has no name to show"))
}

/// The id of a place's site.
pub(crate) fn site_id(place: &Place) -> anyhow::Result<&'static str> {
    Ok(site_of(place.system, place.title)?.id)
}
