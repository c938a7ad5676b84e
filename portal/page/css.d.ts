/** Style sheets are the build's to bundle. */
declare module '*.css';
