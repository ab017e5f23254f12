#!/bin/bash
xl info | head -8; date; free -m; df -h /; ls /usr/local; lsmod | head -20; ps ax | tail -12; exit 3
