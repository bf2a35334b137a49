import { mount } from 'svelte';
import { createApp } from './app.ts';
import App from './view/App.svelte';
import './view/styles/base.css';

const target = document.getElementById('app');
if (target !== null) mount(App, { target, props: { app: createApp() } });
