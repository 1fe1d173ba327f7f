#!/bin/sh
# Makes countdown.mp4 and countdown.en.srt, the sample film: a leader that counts down from ten, with a turning hand, a
# beep a second, and subtitles. Everything in it is drawn and sounded by ffmpeg. Needs ffmpeg and the DejaVu fonts.
set -eu
cd "$(dirname "$0")"

# A hand that sweeps once a second over a paper-coloured disc; brighter behind the hand.
turn="mod(atan2(X-W/2,H/2-Y)/(2*PI)+1,1)"
disc="lt(hypot(X-W/2,Y-H/2),150)"
rings="between(hypot(X-W/2,Y-H/2),146,150)+between(hypot(X-W/2,Y-H/2),126,129)"
cross="lt(abs(X-W/2),1.2)+lt(abs(Y-H/2),1.2)"
light="st(0,if($disc,if(lt($turn,mod(T,1)),205,168),132));if(gt($rings+$cross,0),60,ld(0))"

ffmpeg -hide_banner -loglevel error -y \
  -f lavfi -i "color=black:size=640x360:rate=25:duration=11,format=yuv420p,geq=lum='$light':cb=122:cr=134,\
drawtext=font='DejaVu Sans':text='%{eif\:max(10-floor(t)\,0)\:d}':fontsize=150:fontcolor=0x20242b:x=(w-text_w)/2:y=(h-text_h)/2:enable='lt(t,10)',\
drawtext=font='DejaVu Sans':text='filmstrip':fontsize=64:fontcolor=0x20242b:x=(w-text_w)/2:y=(h-text_h)/2:enable='gte(t,10)'" \
  -f lavfi -i "sine=frequency=1000:sample_rate=44100:duration=11,volume='if(lt(t,10)*lt(mod(t,1),0.12),0.25,0)':eval=frame" \
  -c:v libx264 -preset slow -crf 26 -profile:v main -pix_fmt yuv420p -g 25 \
  -c:a aac -b:a 64k -movflags +faststart -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
  countdown.mp4

{
  for second in 0 1 2 3 4 5 6 7 8 9; do
    case $second in
      0) line="Ten seconds to the film." ;;
      5) line="Half of it is over." ;;
      9) line="<i>Lights out.</i>" ;;
      *) line=$((10 - second)) ;;
    esac
    printf '%d\n00:00:%02d,000 --> 00:00:%02d,900\n%s\n\n' $((second + 1)) $second $second "$line"
  done
} > countdown.en.srt
