// Before anything is painted: the theme that the reader chose, or the system's; and that the address
// of a question asks for something of its own, which the built answer may not be (page.js).
{const d=document.documentElement.dataset;let m;try{m=localStorage.getItem('mode')}catch{}d.mode=m=m||'auto';d.theme=m!='auto'?m:matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light';if(location.search.length>1&&/\/(apps\/\w|book\/intro)/.test(location.pathname))d.asked=''}
