//! A client that somebody else wrote, mbpoll (libmodbus), against our simulator.
#![allow(clippy::unwrap_used)]

mod outsiders;

use kouan_drivers::modbus::simulator::{Misbehaviour, Model, Simulator, Table};
use kouan_drivers::simulator::PseudoTerminal;
use outsiders::mbpoll;
use tokio::net::TcpListener;

async fn check(simulator: &Simulator, reach: &[&str], place: &str) {
    let poll = async |arguments: &[&str], values: &[&str]| mbpoll(&[reach, arguments, &[place], values].concat()).await;
    simulator.set(1, Table::Input, 1, 235);
    simulator.set(1, Table::Input, 2, 455);
    assert_eq!(poll(&["-a", "1", "-t", "3", "-r", "1", "-c", "2"], &[]).await, Ok(vec![(1, 235), (2, 455)]));
    // The relay board: switch one, switch several, read outputs and inputs.
    simulator.set(2, Table::Inputs, 6, 1);
    poll(&["-a", "2", "-t", "0", "-r", "2"], &["1"]).await.unwrap();
    poll(&["-a", "2", "-t", "0", "-r", "4"], &["1", "0", "1"]).await.unwrap();
    let coils = poll(&["-a", "2", "-t", "0", "-r", "0", "-c", "8"], &[]).await.unwrap();
    assert_eq!(coils.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [0, 0, 1, 0, 1, 0, 1, 0]);
    let inputs = poll(&["-a", "2", "-t", "1", "-r", "6", "-c", "2"], &[]).await;
    assert_eq!(inputs, Ok(vec![(6, 1), (7, 0)]));
    assert_eq!((simulator.coil_writes(2, 2), simulator.coil_writes(2, 0)), (1, 0));
    // Registers, one and several.
    poll(&["-a", "3", "-t", "4", "-r", "10"], &["4711"]).await.unwrap();
    poll(&["-a", "3", "-t", "4", "-r", "20"], &["1", "65535", "3"]).await.unwrap();
    let registers = poll(&["-a", "3", "-t", "4", "-r", "20", "-c", "3"], &[]).await;
    assert_eq!(registers, Ok(vec![(20, 1), (21, 65535), (22, 3)]));
    assert_eq!(simulator.get(3, Table::Holding, 10), Some(4711));
    // Refusals and misbehaviour.
    let illegal = poll(&["-a", "3", "-t", "4", "-r", "500"], &[]).await.unwrap_err();
    assert!(illegal.contains("Illegal data address"), "{illegal}");
    simulator.misbehave(3, Misbehaviour::Exception(4));
    let failure = poll(&["-a", "3", "-t", "4", "-r", "10"], &[]).await.unwrap_err();
    assert!(failure.contains("Slave device or server failure"), "{failure}");
    simulator.misbehave(3, Misbehaviour::Silent);
    let silence = poll(&["-a", "3", "-t", "4", "-r", "10", "-o", "0.2"], &[]).await.unwrap_err();
    assert!(silence.contains("timed out"), "{silence}");
}

fn simulator() -> Simulator {
    Simulator::new([(1, Model::XyMd02), (2, Model::WaveshareRelay8ch), (3, Model::Plain)])
}

#[tokio::test]
async fn mbpoll_understands_the_simulator_over_tcp() {
    let simulator = simulator();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let serving = tokio::spawn({
        let simulator = simulator.clone();
        async move { simulator.serve_tcp(listener).await }
    });
    check(&simulator, &["-m", "tcp", "-p", &port], "127.0.0.1").await;
    serving.abort();
}

#[tokio::test]
async fn mbpoll_understands_the_simulator_on_a_serial_line() {
    let simulator = simulator();
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line");
    let terminal = PseudoTerminal::open(&line).unwrap();
    let serving = tokio::spawn({
        let simulator = simulator.clone();
        async move { simulator.serve_rtu(terminal).await }
    });
    check(&simulator, &["-m", "rtu", "-b", "9600", "-P", "none"], line.to_str().unwrap()).await;
    simulator.misbehave(1, Misbehaviour::BadChecksum);
    let line = line.to_str().unwrap();
    let damaged = mbpoll(&["-m", "rtu", "-b", "9600", "-P", "none", "-a", "1", "-t", "3", "-r", "1", line]).await;
    let damaged = damaged.unwrap_err();
    assert!(damaged.contains("Invalid CRC"), "{damaged}");
    serving.abort();
}
