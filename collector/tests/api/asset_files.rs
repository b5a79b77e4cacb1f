//! Spreadsheets of assets in and out, labels, and an agent's configuration.

use std::collections::BTreeMap;
use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::assets::{ask, made};
use crate::running::Running;

const FLEET: &str = include_str!("../../../load/data/fleet.csv");

async fn upload(collector: &Running, query: &str, bytes: impl Into<Vec<u8>>) -> Value {
    let path = format!("{}/api/v1/assets/import?{query}", collector.base);
    let answer = collector.http.post(path).bearer_auth(&collector.key).body(bytes.into()).send().await.unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

async fn apply(collector: &Running, preview: &Value) -> StatusCode {
    let token = preview["token"].as_str().unwrap_or_else(|| panic!("{preview}"));
    ask(collector, Method::POST, &format!("/assets/import/{token}"), None).await.0
}

async fn all(collector: &Running) -> Vec<Value> {
    let (mut rows, mut next) = (Vec::new(), String::new());
    loop {
        let url = reqwest::Url::parse_with_params(
            &format!("{}/api/v1/assets", collector.base),
            [("limit", "1000"), ("cursor", &next)].into_iter().filter(|(_, value)| !value.is_empty()),
        );
        let answer = collector.http.get(url.unwrap()).bearer_auth(&collector.key).send().await.unwrap();
        let page: Value = answer.json().await.unwrap();
        rows.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(cursor) => next = cursor.to_owned(),
            None => return rows,
        }
    }
}

async fn bytes(collector: &Running, path: &str) -> Vec<u8> {
    let answer = collector.http.get(format!("{}/api/v1{path}", collector.base)).bearer_auth(&collector.key).send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.bytes().await.unwrap().to_vec()
}

/// A program in the tests' own Python, with packages of others.
fn python(script: &str, arguments: &[&std::path::Path]) -> String {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python");
    let output = Command::new(python).arg("-c").arg(script).args(arguments).output();
    let output = output.expect("`make test-setup` makes target/venv");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_fleet_is_imported_as_it_is_and_again_changes_nothing() {
    let collector = Running::start().await;
    let preview = upload(&collector, "format=csv&dry_run=true", FLEET).await;
    assert_eq!(
        (&preview["rows"], &preview["creates"], &preview["error_count"]),
        (&json!(320), &json!(1434), &json!(0))
    );
    assert_eq!(preview["ignored_columns"], json!(["count_basis"]));
    assert_eq!(preview["new_sites"].as_array().unwrap().len(), 5);
    assert_eq!(preview["preview"].as_array().unwrap().len(), 500);
    assert!(all(&collector).await.is_empty(), "a preview changes nothing");
    assert_eq!(apply(&collector, &preview).await, StatusCode::OK);
    assert_eq!(apply(&collector, &preview).await, StatusCode::NOT_FOUND, "a preview is applied once");

    let assets = all(&collector).await;
    let mut expected: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in FLEET.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        *expected.entry((cells[0].to_owned(), cells[3].to_owned())).or_default() += cells[5].parse::<usize>().unwrap();
    }
    let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
    for asset in &assets {
        let text = |field: &str| asset[field].as_str().unwrap().to_owned();
        *found.entry((text("site"), text("class"))).or_default() += 1;
    }
    assert_eq!(found, expected);
    let gates = assets.iter().filter(|asset| asset["area_path"] == json!(["横琴大桥", "旅检大厅"]));
    let gates: Vec<_> = gates.filter(|asset| asset["class"] == "passenger-gate").collect();
    assert_eq!(gates.len(), 28);
    assert_eq!(
        (&gates[27]["name"], &gates[27]["interfaces"]),
        (&json!("旅客智能闸机 28"), &json!(["serial", "modbus"]))
    );
    assert_eq!(collector.get("/api/v1/audit/check").await["problems"], json!([]));

    let again = upload(&collector, "format=csv", FLEET).await;
    let counts = |preview: &Value| ["creates", "updates", "unchanged"].map(|what| preview[what].as_u64().unwrap());
    assert_eq!(counts(&again), [0, 0, 1434]);
    // One gate more, and one that somebody gave another name.
    let gate = gates[0]["id"].as_str().unwrap();
    let named = ask(&collector, Method::PATCH, &format!("/assets/{gate}"), Some(json!({ "name": "残疾人通道" }))).await;
    assert_eq!(named.0, StatusCode::OK);
    let more = FLEET.replacen("旅客智能闸机,28", "旅客智能闸机,29", 1);
    let more = upload(&collector, "format=csv", more).await;
    assert_eq!(counts(&more), [1, 1, 1433]);
    let update = more["preview"].as_array().unwrap().iter().find(|row| row["what"] == "update").unwrap();
    assert_eq!(update["changes"][0], json!({ "field": "name", "from": "残疾人通道", "to": "旅客智能闸机 01" }));
    // Somebody changes an asset in between: what was previewed is not what would happen.
    let (_, other) = ask(&collector, Method::PATCH, &format!("/assets/{gate}"), Some(json!({ "owner": "李" }))).await;
    assert_eq!(other["owner"], "李");
    assert_eq!(apply(&collector, &more).await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn chinese_headers_encodings_and_dates_are_understood() {
    let collector = Running::start().await;
    ask(&collector, Method::PUT, "/sites/hall", Some(json!({ "name": {} }))).await;
    let text = "资产清单,,,,,,,,\n设备名称,设备类型,位置,品牌,规格型号,序列号(SN),机柜,U位,质保到期日,上联设备,备注,金额\n\
        核心交换机,交换机,机房,H3C,S7503,SN-1,A01,40-42,2027/1/5,,,100\n\
        摄像机,摄像头,A楼/大厅,海康,DS-2CD,SN-2,,,20270301,核心交换机,\"含,逗号\",5\n\
        服务器,server,机房,浪潮,NF5280,SN-3,A01,U10,46027,SN-1号,,9\n";
    let broken = upload(&collector, "format=csv&site=hall", text).await;
    assert_eq!((&broken["error_count"], &broken["token"]), (&json!(1), &Value::Null), "{broken}");
    assert_eq!((&broken["errors"][0]["row"], &broken["errors"][0]["column"]), (&json!(5), &json!("parent")));
    assert!(broken["errors"][0]["text"]["zh"].as_str().unwrap().contains("SN-1号"));
    assert_eq!(broken["ignored_columns"], json!(["金额"]));
    let text = text.replace("SN-1号", "核心交换机");
    let (gb, ..) = encoding_rs::GB18030.encode(&text);
    let preview = upload(&collector, "format=csv&site=hall", gb.into_owned()).await;
    assert_eq!((&preview["creates"], &preview["error_count"]), (&json!(3), &json!(0)), "{preview}");
    assert_eq!(apply(&collector, &preview).await, StatusCode::OK);
    let assets = all(&collector).await;
    let find = |name: &str| assets.iter().find(|asset| asset["name"] == name).unwrap();
    let (switch, camera, server) = (find("核心交换机"), find("摄像机"), find("服务器"));
    assert_eq!(
        (&switch["class"], &switch["maker"], &switch["model"]),
        (&json!("switch"), &json!("H3C"), &json!("S7503"))
    );
    assert_eq!((&switch["rack_unit"], &switch["height_units"]), (&json!(40), &json!(3)));
    assert_eq!((&switch["warranty_until"], &camera["warranty_until"]), (&json!("2027-01-05"), &json!("2027-03-01")));
    assert_eq!(server["warranty_until"], "2026-01-05");
    assert_eq!((&camera["area_path"], &camera["parent"]), (&json!(["A楼", "大厅"]), &switch["id"]));
    assert_eq!((&camera["note"], &server["parent"]), (&json!("含,逗号"), &switch["id"]));
    // The same thing with another name is the same thing by its serial number.
    let renamed = text.replace("核心交换机,交换机", "新核心,交换机").replace("核心交换机", "新核心");
    let preview = upload(&collector, "format=csv&site=hall", renamed).await;
    assert_eq!((&preview["creates"], &preview["updates"]), (&json!(0), &json!(1)), "{preview}");

    for (wrong, what) in [
        ("名称,类别\n甲,气象站\n", "class"),
        ("名称,类别,数量\n甲,交换机,0\n", "quantity"),
        ("名称,类别,数量,序列号\n甲,交换机,2,X\n", "serial"),
        ("名称,类别,安装日期\n甲,交换机,昨天\n", "installed"),
        ("名称,类别,站点\n甲,交换机,Ä\n", "site"),
        ("名称,类别,编号\n甲,交换机,t-none\n", "id"),
        ("名称,类别,标识\n甲,交换机,a\n乙,交换机,a\n", "key"),
        ("名称,类别,上级设备\n甲,交换机,乙\n乙,交换机,甲\n", "parent"),
        ("一,二\n三,四\n", ""),
    ] {
        let preview = upload(&collector, "format=csv&site=hall", wrong).await;
        assert!(preview["error_count"].as_u64().unwrap() > 0, "{what}: {preview}");
        assert_eq!(preview["errors"][0]["column"], what, "{preview}");
    }
}

/// Assets that use every column, with texts that a spreadsheet may take for something else.
async fn odd_assets(collector: &Running) {
    ask(collector, Method::PUT, "/sites/hall", Some(json!({ "name": {} }))).await;
    let area = made(collector, "/areas", json!({ "site": "hall", "name": "机房" })).await;
    let first = made(
        collector,
        "/assets",
        json!({ "site": "hall", "name": "=1+1", "class": "switch", "key": "sw-1",
        "area": area["id"], "serial": "00123", "note": "'@x\n第二行", "maker": "'=A1", "owner": "-2+3" }),
    );
    let first = first.await["id"].as_str().unwrap().to_owned();
    let second = json!({ "site": "hall", "name": "服务器", "class": "weather-station", "model": "1E5", "profile": "sdm630",
        "address": "modbus tcp=192.0.2.1:502 # unit=1", "interfaces": ["snmp", "http"], "rack": "A01", "rack_unit": 3,
        "height_units": 2, "installed": "2024-02-29", "warranty_until": "2027-01-31",
        "licences": [{ "name": "OS", "until": "2028-01-01" }, { "name": "DB" }],
        "documents": [{ "name": "手册", "url": "https://docs.example/a?b=c;d&e=f" }], "parent": first,
        "neighbours": [{ "asset": first, "port": "eth0", "their_port": "ge-1/0/1" }], "tags": ["甲", "乙"] });
    made(collector, "/assets", second).await;
}

#[tokio::test]
async fn an_export_that_is_imported_again_changes_nothing() {
    let collector = Running::start().await;
    odd_assets(&collector).await;
    for format in ["csv", "xlsx"] {
        for language in ["zh", "en"] {
            let file = bytes(&collector, &format!("/assets/export?format={format}&language={language}")).await;
            let preview = upload(&collector, &format!("format={format}"), file).await;
            assert_eq!(
                (&preview["unchanged"], &preview["error_count"]),
                (&json!(2), &json!(0)),
                "{language} {preview}"
            );
            assert_eq!((&preview["updates"], &preview["creates"]), (&json!(0), &json!(0)), "{format} {preview}");
        }
    }
    let csv = String::from_utf8(bytes(&collector, "/assets/export?format=csv").await).unwrap();
    assert!(csv.starts_with('\u{feff}') && csv.contains("'=1+1") && csv.contains("'-2+3"), "{csv}");
}

#[tokio::test]
async fn others_read_our_workbooks_and_we_read_theirs() {
    let collector = Running::start().await;
    odd_assets(&collector).await;
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours.xlsx"), folder.path().join("theirs.xlsx"));
    std::fs::write(&ours, bytes(&collector, "/assets/export?format=xlsx").await).unwrap();
    let script = "import json, sys, openpyxl, datetime
sheet = openpyxl.load_workbook(sys.argv[1]).active
rows = [[cell.isoformat() if isinstance(cell, datetime.datetime) else cell for cell in row] for row in sheet.values]
print(json.dumps({'title': sheet.title, 'freeze': sheet.freeze_panes, 'filter': sheet.auto_filter.ref, 'rows': rows,
    'types': [cell.data_type for cell in sheet['D']]}))";
    let read: Value = serde_json::from_str(&python(script, &[&ours])).unwrap();
    assert_eq!((&read["title"], &read["freeze"], &read["filter"]), (&json!("资产"), &json!("A2"), &json!("A1:Y3")));
    let (header, row) = (&read["rows"][0], &read["rows"][1]);
    assert_eq!((&header[3], &row[3], &read["types"][1]), (&json!("名称"), &json!("=1+1"), &json!("s")), "no formula");
    assert_eq!((&header[8], &row[8]), (&json!("序列号"), &json!("00123")));
    assert_eq!(read["rows"][2][15], "2024-02-29T00:00:00", "a date is a date");

    let script = "import sys, openpyxl, datetime
book = openpyxl.Workbook()
book.active.title = '说明'
book.active['A1'] = '填表说明'
sheet = book.create_sheet('设备')
sheet.append(['横琴口岸设备清单'])
sheet.merge_cells('A1:E1')
sheet.append(['区域', '设备名称', '设备类型', '序列号', '安装日期', '数量', '编号'])
sheet.append(['大厅', '取号机', '取号机', None, datetime.date(2025, 3, 1), 3, None])
sheet.append([None, '叫号器', '叫号终端', 20240001, '2025/3/2', 1, None])
sheet.merge_cells('A3:A4')
sheet.append(['=1+1', '公式', '交换机', None, None, None, None])
book.save(sys.argv[1])";
    python(script, &[&theirs]);
    let preview = upload(&collector, "format=xlsx&site=hall", std::fs::read(&theirs).unwrap()).await;
    assert_eq!((&preview["creates"], &preview["error_count"]), (&json!(5), &json!(0)), "{preview}");
    assert_eq!(apply(&collector, &preview).await, StatusCode::OK);
    let assets = all(&collector).await;
    let caller = assets.iter().find(|asset| asset["name"] == "叫号器").unwrap();
    assert_eq!((&caller["serial"], &caller["installed"]), (&json!("20240001"), &json!("2025-03-02")));
    assert_eq!(caller["area_path"], json!(["大厅"]), "what stands once for several rows counts for each");
    let machine = assets.iter().find(|asset| asset["name"] == "取号机 03").unwrap();
    assert_eq!(machine["installed"], "2025-03-01");
}

#[tokio::test]
async fn a_small_file_that_unpacks_to_a_huge_one_is_refused() {
    let collector = Running::start().await;
    let folder = tempfile::tempdir().unwrap();
    let bomb = folder.path().join("bomb.xlsx");
    let script = "import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as file:
    with file.open('xl/worksheets/sheet1.xml', 'w') as part:
        for _ in range(200): part.write(b' ' * (1 << 20))";
    python(script, &[&bomb]);
    let preview = upload(&collector, "format=xlsx", std::fs::read(&bomb).unwrap()).await;
    assert!(preview["errors"][0]["text"]["en"].as_str().unwrap().contains("MiB when unpacked"), "{preview}");
    for junk in [b"PK\x03\x04 but no more".to_vec(), Vec::new(), b"junk".to_vec()] {
        let preview = upload(&collector, "format=xlsx", junk).await;
        assert_eq!(preview["errors"][0]["row"], 0, "{preview}");
    }
    let path = format!("{}/api/v1/assets/import?format=csv", collector.base);
    let long =
        collector.http.post(path).bearer_auth(&collector.key).body(vec![b'x'; (32 << 20) + 1]).send().await.unwrap();
    assert_eq!(long.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

/// Reads codes out of a page of labels with ZXing, which knows nothing of how they were drawn.
const READ_CODES: &str = "import re, sys, json, zxingcpp
found = []
for svg in re.findall(r'<svg.*?</svg>', open(sys.argv[1]).read(), re.S):
    size = int(re.search(r'viewBox=\"0 0 (\\d+) \\1\"', svg).group(1))
    scale = 4
    pixels = bytearray(b'\\xff' * (size * scale) ** 2)
    for x, y in re.findall(r'M(\\d+),(\\d+)h1v1h-1', svg):
        for line in range(int(y) * scale, (int(y) + 1) * scale):
            at = line * size * scale + int(x) * scale
            pixels[at:at + scale] = b'\\x00' * scale
    view = memoryview(bytes(pixels)).cast('B', (size * scale, size * scale))
    found += [code.text for code in zxingcpp.read_barcodes(view)]
print(json.dumps(found))";

#[tokio::test]
async fn codes_on_labels_say_which_asset_it_is() {
    let collector = Running::start().await;
    odd_assets(&collector).await;
    let ids: Vec<String> = all(&collector).await.iter().map(|asset| asset["id"].as_str().unwrap().to_owned()).collect();
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("labels.html");
    let codes = async |collector: &Running| -> Vec<String> {
        let sheet = bytes(collector, "/assets/labels?columns=2&language=en").await;
        std::fs::write(&page, &sheet).unwrap();
        let text = String::from_utf8(sheet).unwrap();
        assert!(text.contains("repeat(2, 1fr)") && text.contains("<b>=1+1</b>") && text.contains("Switch"), "{text}");
        serde_json::from_str(&python(READ_CODES, &[&page])).unwrap()
    };
    let expected: Vec<String> = ids.iter().map(|id| format!("kouan:{id}")).collect();
    assert_eq!(codes(&collector).await, expected);
    let one = bytes(&collector, &format!("/assets/labels?ids={}", ids[0])).await;
    assert_eq!(String::from_utf8(one).unwrap().matches("<article>").count(), 1);
    let public = |settings: &mut kouan_collector::Config| {
        settings.public_url = Some("https://kouan.example:8470".to_owned());
    };
    let collector = collector.restart_with(public).await;
    let expected: Vec<String> = ids.iter().map(|id| format!("https://kouan.example:8470/q/{id}")).collect();
    assert_eq!(codes(&collector).await, expected);
}
