// Where the page begins.

import { mount } from "svelte";
import App from "./App.svelte";
import { store } from "./lib/store.svelte";
import "./app.css";

void store.start();
mount(App, { target: document.body });
