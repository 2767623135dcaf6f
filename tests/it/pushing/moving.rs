//! The port and its tokens while the configuration changes.

use super::{TOKEN, ask, is_open, push, waits};
use crate::harness::ANN;
use crate::harness::tools::{free_port, until};
use crate::on_both;
use reqwest::Method;
use std::net::{TcpListener, TcpStream};

const OTHER: &str = "another-0123456789_abcdef";

on_both! {
    /// A reload opens, moves and closes the port, and another token holds at once; no token is told.
    async fn a_reload_opens_moves_and_closes_the_port(world) {
        let (first, second) = (free_port(), free_port());
        world.sandbox.open_private(ANN);
        world.start().await;
        let closed = |port| TcpStream::connect(("127.0.0.1", port)).is_err();
        assert!(closed(first));
        let before = world.settings.clone();
        waits(&mut world, first, "crit: 26h");
        world.config_file();
        let told = world.sees(ANN, "http.listen").await;
        assert!(!told.text.contains(TOKEN), "{}", told.text);
        push(first, "", "").await;
        waits(&mut world, second, "crit: 26h");
        world.settings = world.settings.replace(TOKEN, OTHER);
        world.config_file();
        is_open(second).await;
        assert_eq!(ask(Method::GET, second, &format!("/push/{OTHER}"), "").await.0, 200);
        assert_eq!(ask(Method::GET, second, &format!("/push/{TOKEN}"), "").await.0, 404);
        until("the first port to be closed", || closed(first)).await;
        world.settings = before;
        world.config_file();
        until("the second port to be closed", || closed(second)).await;
        let mut all = world.sandbox.from_bot(ANN).into_iter();
        assert!(all.all(|message| !message.text.contains(TOKEN) && !message.text.contains(OTHER)));
    }
}

on_both! {
    /// One that is taken is told with the reload, which holds; the one before goes on until the other is free.
    async fn a_port_that_is_taken_is_told_and_the_one_before_stays(world) {
        let first = free_port();
        let second = free_port();
        let taken = TcpListener::bind(("127.0.0.1", second)).unwrap();
        waits(&mut world, first, "crit: 26h");
        world.start().await;
        is_open(first).await;
        waits(&mut world, second, "crit: 25h");
        world.config_file();
        let told = world.sees(ANN, "The configuration was read again").await;
        for words in ["No push can come yet", "another program listens at", "I keep trying"] {
            assert!(told.text.contains(words), "{}", told.text);
        }
        push(first, "", "").await;
        drop(taken);
        let closed = |port| TcpStream::connect(("127.0.0.1", port)).is_err();
        until("the port to move", || closed(first)).await;
        push(second, "", "").await;
    }
}
