//! Spreadsheets of assets in and out, labels, and an agent's configuration.

use std::collections::BTreeMap;
use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::assets::{ask, made, with_devices};
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

#[tokio::test]
async fn a_workbook_of_shared_strings_takes_no_more_memory_than_it_may() {
    let collector = Running::start().await;
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book.xlsx");
    let script = "import sys, zipfile
declared, encoding, length = sys.argv[2], sys.argv[3], int(sys.argv[4])
space = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
docs = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
package = 'http://schemas.openxmlformats.org/package/2006/relationships'
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as file:
    file.writestr('_rels/.rels', f'<Relationships xmlns=\"{package}\"><Relationship Id=\"r1\" '
        f'Type=\"{docs}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>')
    file.writestr('xl/workbook.xml', f'<workbook xmlns=\"{space}\" xmlns:r=\"{docs}\"><sheets>'
        '<sheet name=\"a\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>')
    file.writestr('xl/_rels/workbook.xml.rels', f'<Relationships xmlns=\"{package}\">'
        f'<Relationship Id=\"r1\" Type=\"{docs}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>')
    strings = ['名称', '类别', '备注', '甲', 'switch', 'x' * length]
    file.writestr('xl/SharedStrings.xml' if encoding == 'utf-8' else 'xl/sharedStrings.xml', (
        f'<sst xmlns=\"{space}\" uniqueCount=\"{declared}\">' +
        ''.join(f'<si><t>{text}</t></si>' for text in strings) + '</sst>').encode(encoding))
    cell = lambda at, index: f'<c r=\"{at}\" t=\"s\"><v>{index}</v></c>'
    file.writestr('xl/worksheets/sheet1.xml', f'<worksheet xmlns=\"{space}\"><sheetData><row r=\"1\">' +
        cell('A1', 0) + cell('B1', 1) + cell('C1', 2) + '</row><row r=\"2\">' +
        cell('A2', 3) + cell('B2', 4) + cell('C2', 5) + '</row></sheetData></worksheet>')";
    let preview = async |declared: &str, encoding: &str, length: &str| {
        let arguments = [declared, encoding, length].map(std::path::Path::new);
        python(script, &[&book, arguments[0], arguments[1], arguments[2]]);
        upload(&collector, "format=xlsx&site=hall", std::fs::read(&book).unwrap()).await
    };
    let good = preview("6", "utf-8", "9").await;
    assert_eq!((&good["creates"], &good["error_count"]), (&json!(1), &json!(0)), "{good}");
    for encoding in ["utf-8", "utf-16"] {
        let refused = preview("1000000000000", encoding, "9").await;
        assert!(refused["errors"][0]["text"]["en"].as_str().unwrap().contains("shared strings"), "{refused}");
    }
    let refused = preview("6", "utf-8", "20000").await;
    assert_eq!(refused["errors"][0]["text"]["en"], "row 2 has a cell that is too long", "{refused}");
}

#[tokio::test]
async fn what_a_file_would_become_is_bounded_as_well() {
    let collector = Running::start().await;
    let text = format!("名称,类别,数量,备注\n甲,交换机,10000,{}\n", "x".repeat(8000));
    let preview = upload(&collector, "format=csv&site=hall", text).await;
    assert_eq!((&preview["error_count"], &preview["creates"]), (&json!(1), &json!(0)));
    assert_eq!(preview["errors"][0]["column"], "quantity", "{preview}");
    // Only those in a circle are told of it, not what hangs on one.
    let circle = "名称,类别,上级设备\n甲,交换机,乙\n乙,交换机,甲\n丙,交换机,甲\n丁,交换机,丙\n";
    let preview = upload(&collector, "format=csv&site=hall", circle).await;
    assert_eq!(preview["error_count"], json!(2), "{preview}");
    let mut chain = "名称,类别,上级设备\n交换机0,交换机,\n".to_owned();
    for at in 1..70 {
        chain.push_str(&format!("交换机{at},交换机,交换机{}\n", at - 1));
    }
    let preview = upload(&collector, "format=csv&site=hall", chain).await;
    assert_eq!(preview["error_count"], json!(5), "64 above one are as many as are followed: {preview}");
}

#[tokio::test]
async fn keys_and_devices_may_go_round_within_a_file() {
    let collector = with_devices().await;
    let mut assets = Vec::new();
    for (device, area) in [("ups-1", "东"), ("gate-1", "西")] {
        let device = collector.device(device).await;
        let area = made(&collector, "/areas", json!({ "site": "hall", "name": area })).await;
        let path = format!("/devices/{device}/asset");
        let (status, asset) = ask(&collector, Method::POST, &path, Some(json!({}))).await;
        assert_eq!(status, StatusCode::OK, "{asset}");
        let asset = asset["id"].as_str().unwrap().to_owned();
        let set = json!({ "area": area["id"], "key": format!("k{}", assets.len() + 1) });
        let (status, body) = ask(&collector, Method::PATCH, &format!("/assets/{asset}"), Some(set)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assets.push((asset, device));
    }
    let [(first, ups), (second, gate)] = assets.try_into().unwrap();
    let file = String::from_utf8(bytes(&collector, "/assets/export?format=csv").await).unwrap();
    // One asset alone cannot take what another has.
    let others: Vec<&str> = file.lines().filter(|line| !line.contains(&second)).collect();
    let alone = others.join("\n").replace(&ups, &gate).replace(",k1,", ",k2,");
    let preview = upload(&collector, "format=csv", alone).await;
    let columns: Vec<_> = preview["errors"].as_array().unwrap().iter().map(|error| error["column"].clone()).collect();
    assert_eq!(columns, ["key", "device"], "{preview}");

    let file = file.replace(",k2,", ",k3,").replace(",k1,", ",k2,");
    let file = file.replace(&ups, "SWAP").replace(&gate, &ups).replace("SWAP", &gate);
    let preview = upload(&collector, "format=csv", file).await;
    assert_eq!((&preview["updates"], &preview["error_count"]), (&json!(2), &json!(0)), "{preview}");
    assert_eq!(apply(&collector, &preview).await, StatusCode::OK);
    let is_right = async |collector: &Running| {
        for (device, asset, area) in [(&ups, &second, "西"), (&gate, &first, "东")] {
            let shown = collector.get(&format!("/api/v1/devices/{device}")).await;
            assert_eq!((&shown["asset"], &shown["area"]), (&json!(asset), &json!(area)), "{shown}");
        }
        for (key, asset) in [("k2", &first), ("k3", &second)] {
            let text = format!("名称,类别,标识,责任人\n甲,交换机,{key},李\n");
            let preview = upload(collector, "format=csv&site=hall", text).await;
            assert_eq!(preview["preview"][0]["key"], json!(asset), "{preview}");
        }
        let free = upload(collector, "format=csv&site=hall", "名称,类别,标识\n甲,交换机,k1\n").await;
        assert_eq!(free["creates"], json!(1), "{free}");
    };
    is_right(&collector).await;
    is_right(&collector.restart().await).await;
}

#[tokio::test]
async fn a_preview_of_sites_that_were_taken_away_is_none_any_more() {
    let collector = Running::start().await;
    let grants = |sites: &[&str]| json!([{ "role": "engineer", "sites": sites }]);
    let body = json!({ "name": "mei", "grants": grants(&["hall", "port"]) });
    let (status, user) = collector.post("/api/v1/users", body).await;
    assert_eq!(status, StatusCode::CREATED, "{user}");
    let send = async |method: Method, path: &str, session: &(String, String), body: Vec<u8>| {
        let request = collector.http.request(method, format!("{}/api/v1{path}", collector.base)).body(body);
        let request = request.header("content-type", "application/json").header("cookie", &session.0);
        request.header("x-kouan-page-token", &session.1).send().await.unwrap()
    };
    let sign_in = async |password: &str| {
        let body = json!({ "name": "mei", "password": password }).to_string().into_bytes();
        let answer = send(Method::POST, "/session", &(String::new(), String::new()), body).await;
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let body: Value = answer.json().await.unwrap();
        (cookie, body["page_token"].as_str().unwrap().to_owned())
    };
    let first = user["password"].as_str().unwrap();
    let session = sign_in(first).await;
    let password = json!({ "current": first, "new": "a long enough secret" }).to_string().into_bytes();
    let changed = send(Method::PUT, "/session/password", &session, password).await;
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    let mut tokens = Vec::new();
    for site in ["hall", "port"] {
        let path = format!("/assets/import?format=csv&site={site}");
        let answer = send(Method::POST, &path, &session, "名称,类别\n甲,交换机\n".into()).await;
        let preview: Value = answer.json().await.unwrap();
        tokens.push(preview["token"].as_str().unwrap_or_else(|| panic!("{preview}")).to_owned());
    }
    let path = format!("/users/{}", user["user"]["id"].as_str().unwrap());
    let (status, body) = ask(&collector, Method::PATCH, &path, Some(json!({ "grants": grants(&["hall"]) }))).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let session = sign_in("a long enough secret").await;
    let apply =
        async |token: &str| send(Method::POST, &format!("/assets/import/{token}"), &session, Vec::new()).await.status();
    assert_eq!(apply(&tokens[1]).await, StatusCode::NOT_FOUND);
    assert_eq!(apply(&tokens[0]).await, StatusCode::OK);
    let sites: Vec<Value> = all(&collector).await.iter().map(|asset| asset["site"].clone()).collect();
    assert_eq!(sites, ["hall"]);
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
