#include "server/page_assets.h"

#include "server/page.h"

namespace tenure {

const char* const kPageStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--ink:#1b1f24;--dim:#57606a;--line:#c5ccd3;
--lead:#0b6b38;--none:#ffe2a3;--on-none:#3d2a00}
@media(prefers-color-scheme:dark){:root{--bg:#12161b;--ink:#e6edf3;--dim:#9aa6b2;--line:#46505b;
--lead:#11663a;--none:#5c4300;--on-none:#ffe9b8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:58rem;padding:1rem;background:var(--bg);color:var(--ink);
font:1rem/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:clamp(1.6rem,7vw,2.75rem);line-height:1.15;margin:.2rem 0}
h2{font-size:1.1rem;margin:1.75rem 0 .25rem}
p{margin:.25rem 0}
.state{padding:1rem 1.25rem;border:3px solid var(--dim);border-radius:.75rem}
.leads{background:var(--lead);border-color:var(--lead);color:#fff}
.nobody{background:var(--none);border-color:var(--on-none);color:var(--on-none)}
.name{font-size:1.4rem;font-weight:600;line-height:1.25}
.long{font-size:1rem}
.dim,th,dt{color:var(--dim);font-weight:400}
progress{appearance:none;display:block;width:100%;height:.4rem;border:0;margin-top:.5rem;
background:#0005;color:#fff}
::-webkit-progress-bar{background:#0005}
::-webkit-progress-value{background:#fff}
::-moz-progress-bar{background:#fff}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.5rem;margin:1.25rem 0}
dd{margin:0;min-width:0}
#left,dd,td{font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem 1.25rem .35rem 0;white-space:nowrap}
tr{border-top:1px solid var(--line)}
td:first-child{white-space:normal;width:100%}
footer{margin-top:1.75rem}
#lost{position:sticky;top:0;padding:.75rem 1.25rem;border-radius:.75rem;margin-bottom:1rem;
background:#b3261e;color:#fff}
.lost .state{background:none;color:inherit;border:3px dashed var(--dim)}
.lost h1::before{content:"Last known: "}
.lost #left{display:none}
.unseen{position:absolute;clip-path:inset(50%);height:1px;width:1px;overflow:hidden}
@media(max-width:40rem){
thead{position:absolute;clip-path:inset(50%);height:1px;width:1px;overflow:hidden}
tr{display:flex;flex-wrap:wrap;padding:.35rem 0}
td{padding:0 .5rem 0 0;font-size:.9rem}
td:first-child{flex:0 0 100%;font-size:1rem}
td:nth-child(2)::before{content:"epoch "}
td:nth-child(4)::before{content:"– "}}
)css";

// Old facts are never shown as current: `at` is when the question was sent whose answer is shown,
// by the calendar and by the page's own clock, of which one may be set back and the other may stand
// still while the machine sleeps. A leader's time left counts from there, so it ends early, not
// late. Marked data-live is what changes with time alone; if nothing else differs, the rest stays,
// and with it a selection or a screen reader's place.
const char* const kPageScript = R"js(
(()=>{
"use strict";
const find=s=>document.querySelector(s),live="[data-live]";
const mark=()=>[Date.now(),performance.now()];
const age=t=>Math.max(Date.now()-t[0],performance.now()-t[1]);
const calm=matchMedia("(prefers-reduced-motion:reduce)").matches;
let at=[performance.timeOrigin,0],asked=at,busy,again,broken,title=document.title;
const rest=m=>{
 m=m.cloneNode(true);
 m.querySelectorAll(live).forEach(e=>e.replaceWith("*"));
 return m.innerHTML;
};
const show=(page,main)=>{
 const old=find("main"),fresh=main.querySelectorAll(live);
 if(rest(old)===rest(main))old.querySelectorAll(live).forEach((e,i)=>e.replaceWith(fresh[i]));
 else old.replaceWith(main);
 if(title!==page.title)find("#say").textContent=title=page.title;
};
const tick=()=>{
 const left=find("#left"),away=document.hidden,ms=left?left.dataset.ms-age(at):1;
 if(left){
  const s=Math.max(ms,0)/1000;
  left.querySelector("b").textContent=(calm?Math.floor(s):(Math.floor(s*10)/10).toFixed(1))+" s";
  left.querySelector("progress").value=s*1000;
 }
 const lost=broken||age(at)>(away?12e4:1e4)||ms<=0&&!away,text=(lost?"not current – ":"")+title;
 document.body.classList.toggle("lost",lost);
 find("#lost").hidden=!lost;
 if(document.title!==text)document.title=text;
 if(age(asked)>(away?3e4:find("main").dataset.every))refresh();
};
const refresh=async()=>{
 if(busy){again=true;return}
 busy=true;
 again=false;
 const sent=asked=mark();
 try{
  const answer=await fetch("./",{cache:"no-store",signal:AbortSignal.timeout(5e3)});
  const page=new DOMParser().parseFromString(await answer.text(),"text/html");
  const main=page.querySelector("main#tenure");
  if(!answer.ok||!main)throw 0;
  show(page,main);
  at=sent;
  broken=false;
 }catch{broken=true}
 busy=false;
 tick();
 if(again)refresh();
};
const listen=()=>{
 const events=new EventSource("api/leader");
 events.onmessage=refresh;
 events.onerror=()=>{
  refresh();
  if(events.readyState===EventSource.CLOSED)setTimeout(listen,5e3);
 };
};
document.addEventListener("visibilitychange",refresh);
setInterval(tick,calm?1e3:200);
listen();
})();
)js";

const char* const kPageSecurityPolicy =
    "default-src 'none'; "
    "style-src 'sha256-MubjuYzCbgLiQlUiLt095uV8tgSWrLtyebfSYmgIYPw='; "
    "script-src 'sha256-pn5YP5U0+XB9OusJWO1vCECQmxtnnUYoPNXjpfFWA88='; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

}  // namespace tenure
