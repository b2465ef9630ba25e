// The theme, before anything is painted: what the reader chose, or what the system has.
{const d=document.documentElement.dataset;let m;try{m=localStorage.getItem('mode')}catch{}d.mode=m=m||'auto';d.theme=m!='auto'?m:matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light'}
